-- A coupon that is taken back while an order has it is revoked once the order gives it back.
ALTER TABLE coupons ADD COLUMN is_revoked BIGINT NOT NULL DEFAULT 0;
UPDATE coupons SET is_revoked = 1 WHERE EXISTS (SELECT 1 FROM holds WHERE holds.community = coupons.community
    AND holds.activity = coupons.activity AND holds.key = coupons.key AND holds.state = 'revoked');

-- What a shop pays back by itself counts though a refund is under way: never more than what was paid, but for what is asked for.
--postgres ALTER TABLE orders DROP CONSTRAINT orders_check;
--postgres ALTER TABLE orders ADD CONSTRAINT orders_check CHECK (refunding_minor >= 0 AND refunded_minor BETWEEN 0 AND paid_minor);
--sqlite CREATE TABLE new_orders (
--sqlite     community TEXT NOT NULL,
--sqlite     activity TEXT NOT NULL,
--sqlite     key BYTEA NOT NULL,
--sqlite     id TEXT NOT NULL,
--sqlite     member TEXT NOT NULL,
--sqlite     lines TEXT NOT NULL,
--sqlite     total_minor BIGINT NOT NULL,
--sqlite     currency TEXT NOT NULL,
--sqlite     state TEXT NOT NULL,
--sqlite     pay_by BIGINT NOT NULL,
--sqlite     paid_minor BIGINT NOT NULL,
--sqlite     refunding_minor BIGINT NOT NULL,
--sqlite     refunded_minor BIGINT NOT NULL,
--sqlite     is_held BIGINT NOT NULL,
--sqlite     created_at BIGINT NOT NULL,
--sqlite     seq BIGINT NOT NULL,
--sqlite     PRIMARY KEY (community, activity, key),
--sqlite     CHECK (refunding_minor >= 0 AND refunded_minor BETWEEN 0 AND paid_minor)
--sqlite ) WITHOUT ROWID;
--sqlite INSERT INTO new_orders SELECT * FROM orders;
--sqlite DROP TABLE orders;
--sqlite ALTER TABLE new_orders RENAME TO orders;
--sqlite CREATE UNIQUE INDEX orders_by_id ON orders (community, id);
--sqlite CREATE INDEX orders_by_member ON orders (community, member, id);
