-- What is known of a session is kept, as what is known of a token is: whatever `session_facts` reads of it is announced.
-- A new one is not, for nobody can have asked about it; nor that one is gone that had ended or run out, which is kept by
-- nobody: clean-up forgets a great many of them.
CREATE TRIGGER invalidate AFTER UPDATE OF user_id, created_at, expires_at, ended_at ON sessions FOR EACH ROW EXECUTE FUNCTION invalidate_row('id');
CREATE TRIGGER invalidate_gone AFTER DELETE ON sessions FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION invalidate_row('id');
