-- Coupons that nobody has used in time expire: the host looks for those that are due.
CREATE INDEX coupons_by_expiry ON coupons (expires_at) WHERE state = 'issued';

-- Activities that are made after one another: of one series, and counted. The first one names the series.
ALTER TABLE activities ADD COLUMN series TEXT NOT NULL DEFAULT '';
ALTER TABLE activities ADD COLUMN edition BIGINT NOT NULL DEFAULT 1;
UPDATE activities SET series = id;
CREATE UNIQUE INDEX activities_by_series ON activities (community, series, edition);
