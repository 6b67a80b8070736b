-- Organizations with a token to tell of: one whose end (`expires_at`) or rotation (`rotation_due_at`) comes by then and was
-- not looked at yet. Looked for where a webhook wants to know of this event, or everywhere where it is NULL. One question
-- for all, each organization answered by an index; a token is seen by its own organization alone.
CREATE FUNCTION organizations_at_moment(of_moment text, days_ahead integer, until timestamptz, of_event text) RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
  candidates uuid[] := CASE WHEN of_event IS NULL THEN ARRAY(SELECT o.id FROM organizations_to_keep() o) ELSE ARRAY(SELECT o.id FROM organizations_to_tell(ARRAY[of_event]) o) END;
  candidate uuid;
  told_until timestamptz;
  told_token_id uuid;
BEGIN
  FOREACH candidate IN ARRAY candidates LOOP
    PERFORM set_config('gatehouse.organization_id', candidate::text, true);
    SELECT n.told_until, n.told_token_id INTO told_until, told_token_id FROM moment_notices n
      WHERE n.organization_id = candidate AND n.moment = of_moment AND n.days = days_ahead;
    IF NOT FOUND THEN
      told_until := '-infinity';
      told_token_id := '00000000-0000-0000-0000-000000000000';
    END IF;
    IF of_moment = 'expires_at' THEN
      PERFORM FROM api_tokens t WHERE t.organization_id = candidate AND t.revoked_at IS NULL
        AND (t.expires_at, t.id) > (told_until, told_token_id) AND t.expires_at <= until LIMIT 1;
    ELSE
      PERFORM FROM api_tokens t WHERE t.organization_id = candidate AND t.revoked_at IS NULL
        AND (t.rotation_due_at, t.id) > (told_until, told_token_id) AND t.rotation_due_at <= until LIMIT 1;
    END IF;
    IF FOUND THEN
      id := candidate;
      RETURN NEXT;
    END IF;
  END LOOP;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;
