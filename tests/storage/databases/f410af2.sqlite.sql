BEGIN TRANSACTION;
CREATE TABLE activity (
	id INTEGER NOT NULL, 
	event_id INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	batch VARCHAR(32) NOT NULL, 
	what VARCHAR(32) NOT NULL, 
	actor VARCHAR(80) NOT NULL, 
	at DATETIME NOT NULL, 
	position INTEGER, 
	cause INTEGER, 
	status_before VARCHAR(16), 
	status_after VARCHAR(16), 
	tickets_before INTEGER, 
	tickets_after INTEGER, 
	details JSON, 
	CONSTRAINT pk_activity PRIMARY KEY (id), 
	CONSTRAINT fk_activity_event_id_position FOREIGN KEY(event_id, position) REFERENCES booking (event_id, position), 
	CONSTRAINT fk_activity_event_id FOREIGN KEY(event_id) REFERENCES event (id)
);
INSERT INTO "activity" VALUES(1,1,1,'P-9EBnW4DaKA_WTI5e5tSg','created','organizer:1','2026-11-26 23:40:56.811507',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(2,2,1,'ix9yx2XXGRJacRFaRQq-XA','created','organizer:1','2026-11-26 23:40:56.816164',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(3,3,1,'hMLjwmMjsA9Di8Vr6hEPqQ','created','organizer:1','2026-11-26 23:40:56.817651',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(4,1,2,'awT0JpiE-eBiPVO381zSqw','booked','attendee','2026-11-26 23:40:56.819924',1,NULL,NULL,'confirmed',NULL,2,NULL);
INSERT INTO "activity" VALUES(5,1,3,'55G-gpwdVyJCw7yQvRhyHg','booked','attendee','2026-11-26 23:40:56.826958',2,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(6,1,4,'7D9HP2xdbBJBFVIXPpmqOQ','booked','attendee','2026-11-26 23:40:56.829292',3,NULL,NULL,'waiting',NULL,2,NULL);
INSERT INTO "activity" VALUES(7,1,5,'Yv0lHr4sqFpEJBHqQwVyDA','booked','attendee','2026-11-26 23:40:56.831415',4,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(8,1,6,'1_XL-3IruRTSnpZ-ihHVHg','booked','attendee','2026-11-26 23:40:56.833456',5,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(9,1,7,'B3MNGMrOclc0TPCN7mBG_Q','cancelled','attendee','2026-11-26 23:40:56.835582',1,NULL,'confirmed','cancelled',2,2,NULL);
INSERT INTO "activity" VALUES(10,1,7,'B3MNGMrOclc0TPCN7mBG_Q','promoted','attendee','2026-11-26 23:40:56.835582',3,1,'waiting','confirmed',2,2,NULL);
INSERT INTO "activity" VALUES(11,1,8,'s3GFmDIWMxLX57jUC6UiRQ','cancelled','attendee','2026-11-26 23:40:56.841229',5,NULL,'waiting','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(12,1,9,'uGx9ozDzePd1isB1h4SGSw','booked','attendee','2026-11-26 23:40:56.843635',6,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(13,1,10,'2zZeQCp4DAE7R5WxQ4QJNw','reduced','attendee','2026-11-26 23:40:56.845561',3,NULL,'confirmed','confirmed',2,1,NULL);
INSERT INTO "activity" VALUES(14,1,10,'2zZeQCp4DAE7R5WxQ4QJNw','promoted','attendee','2026-11-26 23:40:56.845561',4,3,'waiting','confirmed',1,1,NULL);
INSERT INTO "activity" VALUES(15,3,2,'_MyqgP0M5FcE0L7MgNMX0Q','booked','attendee','2026-11-26 23:40:56.848503',1,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(16,3,3,'29Z3ZWSPmoF7u2-VKX_fBw','cancelled','organizer:1','2026-11-26 23:40:56.850342',1,NULL,'confirmed','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(17,3,3,'29Z3ZWSPmoF7u2-VKX_fBw','cancelled','organizer:1','2026-11-26 23:40:56.850342',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE api_token (
	id INTEGER NOT NULL, 
	organizer_id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_api_token PRIMARY KEY (id), 
	CONSTRAINT fk_api_token_organizer_id FOREIGN KEY(organizer_id) REFERENCES organizer (id), 
	CONSTRAINT uq_api_token_token_hash UNIQUE (token_hash)
);
INSERT INTO "api_token" VALUES(1,1,'tests','b55834617e0fea051aa598893ac777acf76611f314ace3c3e3a6de598e54b799','2026-11-26 23:40:56.800511');
CREATE TABLE booking (
	event_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	attendee_id VARCHAR(254) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	tickets INTEGER NOT NULL, 
	reference VARCHAR(32) NOT NULL, 
	ticket_code VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	email VARCHAR(254), 
	created_at DATETIME NOT NULL, 
	active INTEGER GENERATED ALWAYS AS (CASE WHEN status <> 'cancelled' THEN 1 END), 
	CONSTRAINT pk_booking PRIMARY KEY (event_id, position), 
	CONSTRAINT ck_booking_status CHECK (status IN ('confirmed', 'waiting', 'cancelled')), 
	CONSTRAINT ck_booking_position CHECK (position >= 1), 
	CONSTRAINT ck_booking_tickets CHECK (tickets >= 1), 
	CONSTRAINT fk_booking_event_id FOREIGN KEY(event_id) REFERENCES event (id), 
	CONSTRAINT uq_booking_event_id_attendee_id_active UNIQUE (event_id, attendee_id, active), 
	CONSTRAINT uq_booking_reference UNIQUE (reference), 
	CONSTRAINT uq_booking_ticket_code UNIQUE (ticket_code)
);
INSERT INTO "booking" VALUES(1,1,'ada@example.org','cancelled',2,'habVCqlxSwDoafKm-bGZGw','T0FVBKD7MJBHYR27','Ada','ada@example.org','2026-11-26 23:40:56.819924');
INSERT INTO "booking" VALUES(1,2,'bob@example.org','confirmed',1,'AV2sXU5ZTpTzRpu3OUHmmw','5B0ACW1SAPAFBZDZ','Bob','bob@example.org','2026-11-26 23:40:56.826958');
INSERT INTO "booking" VALUES(1,3,'cleo@example.org','confirmed',1,'pUEvyyWiPQa7tUFj_pYTKw','15TCKMR90GW41RCF','Cleo','cleo@example.org','2026-11-26 23:40:56.829292');
INSERT INTO "booking" VALUES(1,4,'dan@example.org','confirmed',1,'Axzb5lA6HgWO0HGUnBVwpg','RGJCMXD28GAX53M1','Dan','dan@example.org','2026-11-26 23:40:56.831415');
INSERT INTO "booking" VALUES(1,5,'eve@example.org','cancelled',1,'_iPsg9SZ3kprMVM3ntEQLQ','ZPMWQT1KA1Y7TVEB','Eve','eve@example.org','2026-11-26 23:40:56.833456');
INSERT INTO "booking" VALUES(1,6,'eve@example.org','waiting',1,'gmJKD3ikGvReVjrDC4kVcg','QJDK6P7NWWPTGMDW','Eve','eve@example.org','2026-11-26 23:40:56.843635');
INSERT INTO "booking" VALUES(3,1,'ada@example.org','cancelled',1,'mHgi5BkR4NroLm_RWCmiIA','5V4FB5MFF2137CRF','Ada','ada@example.org','2026-11-26 23:40:56.848503');
CREATE TABLE delivery (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	receiver VARCHAR(16) NOT NULL, 
	what VARCHAR(32) NOT NULL, 
	recipient VARCHAR(254) NOT NULL, 
	event_id INTEGER, 
	position INTEGER, 
	details JSON, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_try_at DATETIME NOT NULL, 
	problem VARCHAR(500), 
	created_at DATETIME NOT NULL, 
	sent_at DATETIME, bulk BOOLEAN DEFAULT 0 NOT NULL, once VARCHAR(64), 
	CONSTRAINT ck_delivery_attempts CHECK (attempts >= 0), 
	CONSTRAINT ck_delivery_state CHECK (state IN ('pending', 'sent', 'parked')), 
	CONSTRAINT fk_delivery_event_id FOREIGN KEY(event_id) REFERENCES event (id)
);
INSERT INTO "delivery" VALUES(1,'mail','confirmed','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:40:56.819924',NULL,'2026-11-26 23:40:56.819924',NULL,0,NULL);
INSERT INTO "delivery" VALUES(2,'mail','confirmed','bob@example.org',1,2,NULL,'pending',0,'2026-11-26 23:40:56.826958',NULL,'2026-11-26 23:40:56.826958',NULL,0,NULL);
INSERT INTO "delivery" VALUES(3,'mail','waiting','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:40:56.829292',NULL,'2026-11-26 23:40:56.829292',NULL,0,NULL);
INSERT INTO "delivery" VALUES(4,'mail','waiting','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:40:56.831415',NULL,'2026-11-26 23:40:56.831415',NULL,0,NULL);
INSERT INTO "delivery" VALUES(5,'mail','waiting','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:40:56.833456',NULL,'2026-11-26 23:40:56.833456',NULL,0,NULL);
INSERT INTO "delivery" VALUES(6,'mail','cancelled','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:40:56.835582',NULL,'2026-11-26 23:40:56.835582',NULL,0,NULL);
INSERT INTO "delivery" VALUES(7,'mail','promoted','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:40:56.835582',NULL,'2026-11-26 23:40:56.835582',NULL,0,NULL);
INSERT INTO "delivery" VALUES(8,'mail','cancelled','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:40:56.841229',NULL,'2026-11-26 23:40:56.841229',NULL,0,NULL);
INSERT INTO "delivery" VALUES(9,'mail','waiting','eve@example.org',1,6,NULL,'pending',0,'2026-11-26 23:40:56.843635',NULL,'2026-11-26 23:40:56.843635',NULL,0,NULL);
INSERT INTO "delivery" VALUES(10,'mail','reduced','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:40:56.845561',NULL,'2026-11-26 23:40:56.845561',NULL,0,NULL);
INSERT INTO "delivery" VALUES(11,'mail','promoted','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:40:56.845561',NULL,'2026-11-26 23:40:56.845561',NULL,0,NULL);
INSERT INTO "delivery" VALUES(12,'mail','confirmed','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:40:56.848503',NULL,'2026-11-26 23:40:56.848503',NULL,0,NULL);
INSERT INTO "delivery" VALUES(13,'mail','event_cancelled','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:40:56.850342',NULL,'2026-11-26 23:40:56.850342',NULL,0,NULL);
CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	organizer_id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	description TEXT NOT NULL, 
	location VARCHAR(200) NOT NULL, 
	time_zone VARCHAR(64) NOT NULL, 
	starts_at DATETIME, 
	ends_at DATETIME, 
	status VARCHAR(16) NOT NULL, 
	sales_open_at DATETIME, 
	sales_close_at DATETIME, 
	cancel_until DATETIME, 
	max_tickets_per_booking INTEGER NOT NULL, 
	waiting_list_limit INTEGER, 
	capacity INTEGER NOT NULL, 
	confirmed INTEGER NOT NULL, 
	waiting INTEGER NOT NULL, 
	next_position INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	is_sample BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, reminds BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT ck_event_status CHECK (status IN ('draft', 'published', 'cancelled')), 
	CONSTRAINT ck_event_capacity CHECK (capacity BETWEEN 1 AND 10000000), 
	CONSTRAINT ck_event_confirmed CHECK (confirmed BETWEEN 0 AND capacity), 
	CONSTRAINT ck_event_max_tickets_per_booking CHECK (max_tickets_per_booking >= 1), 
	CONSTRAINT ck_event_next_position CHECK (next_position >= 1), 
	CONSTRAINT ck_event_waiting CHECK (waiting >= 0), 
	CONSTRAINT ck_event_waiting_list CHECK (waiting_list_limit IS NULL OR waiting_list_limit >= 0), 
	CONSTRAINT fk_event_organizer_id FOREIGN KEY(organizer_id) REFERENCES organizer (id)
);
INSERT INTO "event" VALUES(1,1,'Harvest Supper','Three courses, *no* hurry.','Old Mill','Europe/Berlin','2027-05-03 17:30:00.000000','2027-05-03 20:30:00.000000','published',NULL,NULL,NULL,10,NULL,3,3,1,7,10,0,'2026-11-26 23:40:56.811507',0);
INSERT INTO "event" VALUES(2,1,'Müller''s draft 😀','','','UTC',NULL,NULL,'draft',NULL,NULL,NULL,10,NULL,10,0,0,1,1,0,'2026-11-26 23:40:56.816164',0);
INSERT INTO "event" VALUES(3,1,'Called off','','','UTC',NULL,NULL,'cancelled',NULL,NULL,NULL,10,NULL,5,0,0,2,3,0,'2026-11-26 23:40:56.817651',0);
CREATE TABLE idempotency_key (
	event_id BIGINT NOT NULL, 
	operation VARCHAR(16) NOT NULL, 
	caller VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	answer JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_idempotency_key PRIMARY KEY (event_id, operation, caller, "key")
);
CREATE TABLE message (
	id INTEGER NOT NULL, 
	event_id INTEGER NOT NULL, 
	audience VARCHAR(16) NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	text TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_message PRIMARY KEY (id), 
	CONSTRAINT ck_message_audience CHECK (audience IN ('all', 'confirmed', 'waiting')), 
	CONSTRAINT fk_message_event_id FOREIGN KEY(event_id) REFERENCES event (id)
);
CREATE TABLE opt_out (
	organizer_id INTEGER NOT NULL, 
	recipient VARCHAR(254) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_opt_out PRIMARY KEY (organizer_id, recipient), 
	CONSTRAINT fk_opt_out_organizer_id FOREIGN KEY(organizer_id) REFERENCES organizer (id)
);
CREATE TABLE organizer (
	id INTEGER NOT NULL, 
	username VARCHAR(64) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	email VARCHAR(254), 
	credential_version INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, wants_sold_out BOOLEAN DEFAULT 0 NOT NULL, wants_summary BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_organizer PRIMARY KEY (id), 
	CONSTRAINT uq_organizer_username UNIQUE (username)
);
INSERT INTO "organizer" VALUES(1,'olga','scrypt:32768:8:1$fya2IjJ0JnYHIout$a56d93ed3c0e77a931e4ee30eba8fed8f87aa12975909fc6302742db9527c311b5a9a0840a35808f131f19d1c49ac98d6e6c4d26ab5c2fa13302143b9790bb4e',NULL,1,'2026-11-26 23:40:56.792267',0,0);
CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at);
CREATE INDEX ix_api_token_organizer_id ON api_token (organizer_id);
CREATE INDEX ix_event_organizer_id ON event (organizer_id);
CREATE INDEX ix_event_status_starts_at ON event (status, starts_at);
CREATE INDEX ix_booking_email ON booking (email);
CREATE INDEX ix_booking_event_id_status_position ON booking (event_id, status, position);
CREATE INDEX ix_activity_event_id_position ON activity (event_id, position);
CREATE INDEX ix_activity_event_id_revision ON activity (event_id, revision);
CREATE INDEX ix_delivery_event_id_position ON delivery (event_id, position);
CREATE UNIQUE INDEX ix_delivery_once ON delivery (once);
CREATE INDEX ix_delivery_receiver_state_bulk_next_try_at ON delivery (receiver, state, bulk, next_try_at);
CREATE INDEX ix_message_event_id ON message (event_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
INSERT INTO "sqlite_sequence" VALUES('delivery',13);
COMMIT;
