-- Whether a machine that transcribes has space for recordings. A program of the version before says nothing of it.
ALTER TABLE machines ADD COLUMN has_disk_space BOOLEAN NOT NULL DEFAULT TRUE;
