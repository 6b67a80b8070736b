-- Since when upkeep has known policies to block the token; NULL while they do not. Nothing is decided by it: it keeps a
-- block from being told of twice.
ALTER TABLE api_tokens ADD COLUMN blocked_at timestamptz(6);

-- How each organization's tokens were last held against the policies that bind them.
CREATE TABLE policy_reviews (
  organization_id uuid PRIMARY KEY REFERENCES organizations (id),
  -- Which policies these were, as policies_in_force() names them.
  policies text NOT NULL,
  -- The last token that the review under way has looked at; NULL where it came to its end.
  last_token_id uuid,
  began_at timestamptz(6) NOT NULL
);
ALTER TABLE policy_reviews ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_reviews FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON policy_reviews USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
-- Upkeep learns where there is something to review.
CREATE POLICY upkeep ON policy_reviews FOR SELECT USING (current_setting('gatehouse.upkeep', true) = 'on');
CREATE POLICY upkeep ON policies FOR SELECT USING (current_setting('gatehouse.upkeep', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON policy_reviews TO gatehouse_app;

-- A name for all policies together that bind tokens kept in an organization, wherever these act: another name where one of
-- them was changed. Of this organization, or of all where it is NULL; none for one whose tokens nothing binds.
CREATE FUNCTION policies_in_force(of_organization uuid) RETURNS TABLE (organization_id uuid, policies text) LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  previous_upkeep text := current_setting('gatehouse.upkeep', true);
BEGIN
  PERFORM set_config('gatehouse.upkeep', 'on', true);
  RETURN QUERY
  SELECT bound.kept_in, md5(string_agg(p.organization_id || ' ' || p.rules::text, E'\n' ORDER BY p.organization_id))
    FROM (
      SELECT o.id AS kept_in, o.id AS by FROM organizations o WHERE of_organization IS NULL OR o.id = of_organization
      UNION SELECT o.id, o.parent_id FROM organizations o WHERE of_organization IS NULL OR o.id = of_organization
      UNION SELECT o.parent_id, o.id FROM organizations o WHERE of_organization IS NULL OR o.parent_id = of_organization
      UNION SELECT o.id, p.organization_id FROM organizations o JOIN policies p ON p.platform WHERE of_organization IS NULL OR o.id = of_organization
    ) bound JOIN policies p ON p.organization_id = bound.by
   WHERE bound.kept_in IS NOT NULL
   GROUP BY bound.kept_in;
  PERFORM set_config('gatehouse.upkeep', coalesce(previous_upkeep, ''), true);
END
$$;

-- Organizations that are bound by others than at their last review, or that were not reviewed since, or whose review is
-- still under way.
CREATE FUNCTION organizations_to_review(since timestamptz) RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_upkeep text := current_setting('gatehouse.upkeep', true);
BEGIN
  PERFORM set_config('gatehouse.upkeep', 'on', true);
  RETURN QUERY
  SELECT coalesce(f.organization_id, r.organization_id)
    FROM policies_in_force(NULL) f FULL JOIN policy_reviews r ON r.organization_id = f.organization_id
   WHERE coalesce(f.policies, '') <> coalesce(r.policies, '') OR r.last_token_id IS NOT NULL OR (f.policies IS NOT NULL AND r.began_at <= since);
  PERFORM set_config('gatehouse.upkeep', coalesce(previous_upkeep, ''), true);
END
$$;
