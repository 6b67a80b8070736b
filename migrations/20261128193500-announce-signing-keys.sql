-- A key that one process draws or retires is known to all at once: what a retired key signed must count nowhere.
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OF activates_at, retired_at OR DELETE ON signing_keys
  FOR EACH ROW EXECUTE FUNCTION invalidate_row();
