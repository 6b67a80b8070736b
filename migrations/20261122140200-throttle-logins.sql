-- How often was tried to log in: per account, per network, and per both. A key is an HMAC of what is counted, so that
-- neither addresses nor what was typed into the wrong field stand here. The installation's own: of whom an account is a
-- member is not known before the login.
CREATE TABLE login_attempts (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  attempts integer NOT NULL CHECK (attempts >= 0),
  -- Whether one was refused since: it is recorded once.
  refused boolean NOT NULL DEFAULT false,
  since timestamptz(6) NOT NULL,
  expires_at timestamptz(6) NOT NULL
);
CREATE INDEX login_attempts_by_expiry ON login_attempts (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_attempts TO gatehouse_app;

-- What began a little later than now counts as well: replicas' clocks differ, and of two attempts at the same time the
-- earlier may be counted after the later. What began much later is of a clock that was set back: it counts no more.
CREATE FUNCTION is_open_login_window(since timestamptz, expires_at timestamptz, moment timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE
  RETURN since <= moment + interval '5 minutes' AND expires_at > moment;

-- Counts one more, and returns how many there are within so many seconds of the first; NULL where that were too many.
CREATE FUNCTION take_login_attempt(counted bytea, moment timestamptz, allowed integer, seconds integer) RETURNS integer LANGUAGE sql AS $$
  INSERT INTO login_attempts AS a (key, attempts, since, expires_at) VALUES (counted, 1, moment, moment + make_interval(secs => seconds))
  ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.attempts + 1 ELSE 1 END,
    refused = a.refused AND is_open_login_window(a.since, a.expires_at, moment),
    since = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.since ELSE excluded.since END,
    expires_at = CASE WHEN is_open_login_window(a.since, a.expires_at, moment) THEN a.expires_at ELSE excluded.expires_at END
  WHERE a.attempts < allowed OR NOT is_open_login_window(a.since, a.expires_at, moment)
  RETURNING attempts
$$;

-- Notes that one was refused; tells until when, and whether it was the first.
CREATE FUNCTION refuse_login_attempt(counted bytea, OUT until timestamptz, OUT first boolean) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE login_attempts a SET refused = true WHERE a.key = counted AND NOT a.refused;
  first := FOUND;
  SELECT a.expires_at INTO until FROM login_attempts a WHERE a.key = counted;
END
$$;

CREATE FUNCTION return_login_attempt(counted bytea) RETURNS void LANGUAGE sql AS $$
  UPDATE login_attempts SET attempts = attempts - 1 WHERE key = counted AND attempts > 0
$$;

-- Counts an attempt of an account from a network, in one step for all replicas, and locks pair, network and account in
-- this order. Allowances are pairs of attempts and seconds. Returns what was counted beside the pair, or until when the
-- attempt is refused.
CREATE FUNCTION admit_login_attempt(
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

-- The person has shown who they are: what was counted of this attempt is not, and they are familiar there from now on.
CREATE FUNCTION remember_login(
  familiar bytea, pair bytea, network bytea, account bytea, moment timestamptz, seconds integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM login_attempts a WHERE a.key = pair;
  PERFORM return_login_attempt(network);
  PERFORM return_login_attempt(account);
  INSERT INTO login_attempts AS a (key, attempts, since, expires_at) VALUES (familiar, 0, moment, moment + make_interval(secs => seconds))
  ON CONFLICT (key) DO UPDATE SET since = excluded.since, expires_at = excluded.expires_at;
END
$$;
