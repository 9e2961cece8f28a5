-- Name of the codec or format that is not supported, for the answer to a request that was rejected for it.
ALTER TABLE usage ADD COLUMN codec TEXT;
