-- Notifications say what has changed: the stage that a request has come into, 'mode' or 'pause'. A machine that waits for something
-- else is not woken. Machines of the version before do not read it.

DROP TRIGGER usage_inserted ON usage;
DROP TRIGGER usage_moved ON usage;
DROP TRIGGER service_changed ON service;
DROP TRIGGER pause_recorded ON telegram_pauses;
DROP FUNCTION notify_changed();

CREATE FUNCTION notify_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stenobot_changed', TG_ARGV[0]);
    RETURN NULL;
END $$;

CREATE FUNCTION notify_stage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stenobot_changed', NEW.stage);
    RETURN NULL;
END $$;

CREATE TRIGGER usage_inserted AFTER INSERT ON usage
    FOR EACH STATEMENT EXECUTE FUNCTION notify_changed('received');
CREATE TRIGGER usage_moved AFTER UPDATE OF stage ON usage FOR EACH ROW
    WHEN (OLD.stage IS DISTINCT FROM NEW.stage AND NEW.stage NOT IN ('downloaded', 'transcribed', 'done'))
    EXECUTE FUNCTION notify_stage();
CREATE TRIGGER service_changed AFTER INSERT OR UPDATE ON service
    FOR EACH STATEMENT EXECUTE FUNCTION notify_changed('mode');
CREATE TRIGGER pause_recorded AFTER INSERT OR UPDATE ON telegram_pauses
    FOR EACH ROW EXECUTE FUNCTION notify_changed('pause');
