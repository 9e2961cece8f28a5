-- Whether a machine has space for recordings.
ALTER TABLE machines ADD COLUMN has_disk_space INTEGER NOT NULL DEFAULT 1 CHECK (has_disk_space IN (0, 1));
