-- The name as it is compared: no two projects of an organization, nor two environments of a project, read alike.
ALTER TABLE projects ADD COLUMN name_folded text;
ALTER TABLE environments ADD COLUMN name_folded text;

-- The owner is bound by row-level security too, as long as it is forced.
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
ALTER TABLE environments NO FORCE ROW LEVEL SECURITY;
UPDATE projects SET name_folded = lower(normalize(name, NFKC));
UPDATE environments SET name_folded = lower(normalize(name, NFKC));
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
ALTER TABLE environments FORCE ROW LEVEL SECURITY;

ALTER TABLE projects ALTER COLUMN name_folded SET NOT NULL;
ALTER TABLE environments ALTER COLUMN name_folded SET NOT NULL;
CREATE UNIQUE INDEX projects_name ON projects (organization_id, name_folded) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX environments_name ON environments (organization_id, project_id, name_folded) WHERE deleted_at IS NULL;

CREATE INDEX projects_by_creation ON projects (organization_id, created_at, id) WHERE deleted_at IS NULL;
-- Whether any project has an environment of this key.
CREATE INDEX environments_by_key ON environments (organization_id, key) WHERE deleted_at IS NULL;
