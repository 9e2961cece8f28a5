-- Whether the paragraphs of long recordings begin with their times. A program of the version before says nothing of it.
ALTER TABLE chats ADD COLUMN times BOOLEAN NOT NULL DEFAULT TRUE;

-- Whether the text so far is wanted of a request that is transcribed; the machine that holds it is notified. A request that ended so
-- is done, with the reason 'stopped'. A program of the version before does neither.
ALTER TABLE usage ADD COLUMN stop_requested SMALLINT NOT NULL DEFAULT 0 CHECK (stop_requested IN (0, 1));

CREATE FUNCTION notify_stopped() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stenobot_stopped', CAST(NEW.id AS TEXT));
    RETURN NULL;
END $$;

CREATE TRIGGER usage_stopped AFTER UPDATE OF stop_requested ON usage FOR EACH ROW
    WHEN (NEW.stop_requested = 1)
    EXECUTE FUNCTION notify_stopped();
