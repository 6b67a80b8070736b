-- Where an organization wants to be told of what happens to its tokens.
CREATE TABLE webhooks (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  url text NOT NULL,
  description text NOT NULL,
  events text[] NOT NULL CHECK (cardinality(events) > 0),
  -- AES-256-GCM under a key made from SECRET_KEY, which the id names.
  sealed_secret bytea NOT NULL,
  sealing_key_id text NOT NULL,
  -- The secret before, which signs as well until it ends.
  previous_sealed_secret bytea,
  previous_sealing_key_id text,
  previous_ends_at timestamptz(6),
  -- Since when it is enabled, with these events: what happened before is not for it.
  listens_since timestamptz(6) NOT NULL,
  disabled_at timestamptz(6),
  disabled_reason text CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
  -- Since when every attempt has failed; NULL while it works.
  failing_since timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  created_by uuid,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
  CHECK (num_nulls(previous_sealed_secret, previous_sealing_key_id, previous_ends_at) IN (0, 3))
);
CREATE INDEX webhooks_by_creation ON webhooks (organization_id, created_at, id);

-- The outbox, and later the log: written in the transaction of the change that it tells of.
CREATE TABLE webhook_deliveries (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  webhook_id uuid NOT NULL,
  event text NOT NULL,
  -- The body as it is sent, every time the same.
  payload json NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  -- Attempts since it was last asked for: the place in the schedule of retries.
  tries integer NOT NULL DEFAULT 0,
  created_at timestamptz(6) NOT NULL,
  next_attempt_at timestamptz(6),
  last_attempt_at timestamptz(6),
  response_status integer,
  error text,
  duration_ms integer,
  UNIQUE (organization_id, id),
  CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
  FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (organization_id, webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_by_creation ON webhook_deliveries (organization_id, created_at) WHERE status <> 'pending';

DO $$
DECLARE
  tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['webhooks', 'webhook_deliveries']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY own_organization ON %I USING (organization_id = current_organization_id())
      WITH CHECK (organization_id = current_organization_id())', tenant_table);
  END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, webhook_deliveries TO gatehouse_app;
