-- Coupons that nobody has used in time expire: the host looks for those that are due.
CREATE INDEX coupons_by_expiry ON coupons (expires_at) WHERE state = 'issued';
