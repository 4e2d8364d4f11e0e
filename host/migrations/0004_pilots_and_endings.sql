-- Pilots: an activity is tried in a few groups before it is for more; and endings that wait for what is open.

-- How it is tried, and whom it is for afterwards; null where it is not tried first.
ALTER TABLE activities ADD COLUMN rollout TEXT NOT NULL DEFAULT 'null';

-- How long after its end an activity waits for what is open, in milliseconds.
ALTER TABLE activities ADD COLUMN drain_ms BIGINT NOT NULL DEFAULT 0;

-- Calls that the plugin failed at.
ALTER TABLE activity_heads ADD COLUMN faults BIGINT NOT NULL DEFAULT 0;
