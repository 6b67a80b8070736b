-- True where the organization it belongs to has suspended it, which can resume it then; what the operator suspended, only
-- the operator resumes.
ALTER TABLE organizations ADD COLUMN suspended_by_parent boolean NOT NULL DEFAULT false;
