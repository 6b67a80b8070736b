-- What is looked ahead for: tokens' ends, and the times at which their secrets should be replaced.
ALTER TABLE expiry_notices RENAME TO moment_notices;
ALTER TABLE moment_notices
  ADD COLUMN moment text NOT NULL DEFAULT 'expires_at' CHECK (moment IN ('expires_at', 'rotation_due_at')),
  DROP CONSTRAINT expiry_notices_pkey,
  ADD PRIMARY KEY (organization_id, moment, days);
ALTER TABLE moment_notices ALTER COLUMN moment DROP DEFAULT;
