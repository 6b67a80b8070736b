-- As before, but what began a little later than now counts as well: replicas' clocks differ, and of two attempts at the
-- same time the earlier may be counted after the later. A count would have begun anew for it.
CREATE FUNCTION is_open_login_window(since timestamptz, expires_at timestamptz, moment timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE
  RETURN since <= moment + interval '5 minutes' AND expires_at > moment;

CREATE OR REPLACE FUNCTION take_login_attempt(counted bytea, moment timestamptz, allowed integer, seconds integer) RETURNS integer LANGUAGE sql AS $$
  INSERT INTO login_attempts AS a (key, attempts, since, expires_at) VALUES (counted, 1, moment, moment + make_interval(secs => seconds))
  ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.attempts + 1 ELSE 1 END,
    refused = a.refused AND is_open_login_window(a.since, a.expires_at, moment),
    since = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.since ELSE excluded.since END,
    expires_at = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.expires_at ELSE excluded.expires_at END
  WHERE a.attempts < allowed OR NOT is_open_login_window(a.since, a.expires_at, moment)
  RETURNING attempts
$$;

CREATE OR REPLACE FUNCTION admit_login_attempt(
  familiar bytea, pair bytea, network bytea, account bytea, moment timestamptz,
  for_familiar integer[], for_strange integer[], for_strange_under_attack integer[], for_network integer[], for_account integer[],
  OUT until timestamptz, OUT first boolean, OUT of_network boolean, OUT of_account boolean
) LANGUAGE plpgsql AS $$
DECLARE
  is_familiar boolean := EXISTS (SELECT FROM login_attempts a WHERE a.key = familiar AND is_open_login_window(a.since, a.expires_at, moment));
  own_allowance integer[] := CASE WHEN is_familiar THEN for_familiar ELSE for_strange END;
  of_pair integer := take_login_attempt(pair, moment, own_allowance[1], own_allowance[2]);
BEGIN
  of_network := false;
  of_account := false;
  IF of_pair IS NULL THEN
    SELECT * INTO until, first FROM refuse_login_attempt(pair);
  ELSIF NOT is_familiar THEN
    of_network := take_login_attempt(network, moment, for_network[1], for_network[2]) IS NOT NULL;
    IF NOT of_network THEN
      PERFORM return_login_attempt(pair);
      SELECT * INTO until, first FROM refuse_login_attempt(network);
      RETURN;
    END IF;
    of_account := take_login_attempt(account, moment, for_account[1], for_account[2]) IS NOT NULL;
    IF NOT of_account THEN
      UPDATE login_attempts a SET expires_at = greatest(a.expires_at, a.since + make_interval(secs => for_strange_under_attack[2])) WHERE a.key = pair;
      IF of_pair > for_strange_under_attack[1] THEN
        PERFORM return_login_attempt(network);
        of_network := false;
        SELECT * INTO until, first FROM refuse_login_attempt(pair);
      END IF;
    END IF;
  END IF;
END
$$;
