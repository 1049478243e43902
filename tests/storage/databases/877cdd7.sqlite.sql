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
INSERT INTO "activity" VALUES(1,1,1,'KdSPwU6NC1Rr6NR9Ny8A3g','created','organizer:1','2026-11-26 23:41:04.582413',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(2,2,1,'widGUies0Cmkj-KejbqyYQ','created','organizer:1','2026-11-26 23:41:04.588003',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(3,3,1,'msVZXQLvquxkbjiKB7Hxvw','created','organizer:1','2026-11-26 23:41:04.589521',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(4,1,2,'T-m7Pe2hwIfHjovsDfXjkA','booked','attendee','2026-11-26 23:41:04.592474',1,NULL,NULL,'confirmed',NULL,2,NULL);
INSERT INTO "activity" VALUES(5,1,3,'tG33J6qgRbzvxjMu9f84Dw','booked','attendee','2026-11-26 23:41:04.601983',2,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(6,1,4,'bkFRUYp4en-o_cYQdtk_KQ','booked','attendee','2026-11-26 23:41:04.604488',3,NULL,NULL,'waiting',NULL,2,NULL);
INSERT INTO "activity" VALUES(7,1,5,'TTBW9blNKjdqV1wZaUEopw','booked','attendee','2026-11-26 23:41:04.606827',4,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(8,1,6,'0qp893btnsYQUCsBPVyElg','booked','attendee','2026-11-26 23:41:04.609289',5,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(9,1,7,'19ES6VDF6F6K3cM9XrVvpg','cancelled','attendee','2026-11-26 23:41:04.611483',1,NULL,'confirmed','cancelled',2,2,NULL);
INSERT INTO "activity" VALUES(10,1,7,'19ES6VDF6F6K3cM9XrVvpg','promoted','attendee','2026-11-26 23:41:04.611483',3,1,'waiting','confirmed',2,2,NULL);
INSERT INTO "activity" VALUES(11,1,8,'P3nXmrUoOwq0a84vdL_j6w','cancelled','attendee','2026-11-26 23:41:04.618487',5,NULL,'waiting','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(12,1,9,'5q-DdDkxW4TSGtIamEE_eA','booked','attendee','2026-11-26 23:41:04.621500',6,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(13,1,10,'DoLkH-Z1ynRbsmVh6mgtXA','reduced','attendee','2026-11-26 23:41:04.623730',3,NULL,'confirmed','confirmed',2,1,NULL);
INSERT INTO "activity" VALUES(14,1,10,'DoLkH-Z1ynRbsmVh6mgtXA','promoted','attendee','2026-11-26 23:41:04.623730',4,3,'waiting','confirmed',1,1,NULL);
INSERT INTO "activity" VALUES(15,3,2,'Gh1T2eSJ2KdG8GOhv9Oy5w','booked','attendee','2026-11-26 23:41:04.627395',1,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(16,3,3,'5SRS-pdbwJl_yM-HQthvAQ','cancelled','organizer:1','2026-11-26 23:41:04.629615',1,NULL,'confirmed','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(17,3,3,'5SRS-pdbwJl_yM-HQthvAQ','cancelled','organizer:1','2026-11-26 23:41:04.629615',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "api_token" VALUES(1,1,'tests','c2d6b114d591a928849409fe4bd7f65e974402d8d3a7dc6b9564ceace25a4130','2026-11-26 23:41:04.567211');
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
INSERT INTO "booking" VALUES(1,1,'ada@example.org','cancelled',2,'bhPqSfFlZuv3LNO3ZroFDg','7TC7QXADD90WHVJX','Ada','ada@example.org','2026-11-26 23:41:04.592474');
INSERT INTO "booking" VALUES(1,2,'bob@example.org','confirmed',1,'4X9IkbjKbaasFkVHm55N8A','D8WEY2ZCE2E3PK09','Bob','bob@example.org','2026-11-26 23:41:04.601983');
INSERT INTO "booking" VALUES(1,3,'cleo@example.org','confirmed',1,'4pRAOVLU578NZGO0DuxHgg','AV14HNGSV75TTZ0J','Cleo','cleo@example.org','2026-11-26 23:41:04.604488');
INSERT INTO "booking" VALUES(1,4,'dan@example.org','confirmed',1,'5qW_MFfMgr4_y0rP1Ch2lw','0WKPHY8XZKENVJYW','Dan','dan@example.org','2026-11-26 23:41:04.606827');
INSERT INTO "booking" VALUES(1,5,'eve@example.org','cancelled',1,'gY97LWZcXmpknC02SoEZVw','G4VKHC1QPF9T2VC0','Eve','eve@example.org','2026-11-26 23:41:04.609289');
INSERT INTO "booking" VALUES(1,6,'eve@example.org','waiting',1,'-w13Opjx7yVRWgN0U6k8wg','Y8ECTHY3ERF3AGN5','Eve','eve@example.org','2026-11-26 23:41:04.621500');
INSERT INTO "booking" VALUES(3,1,'ada@example.org','cancelled',1,'GO3r3rzBadfVpN6GsKSwtA','A82E1QNGQAQXX4SP','Ada','ada@example.org','2026-11-26 23:41:04.627395');
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
INSERT INTO "delivery" VALUES(1,'mail','confirmed','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:41:04.592474',NULL,'2026-11-26 23:41:04.592474',NULL,0,NULL);
INSERT INTO "delivery" VALUES(2,'mail','confirmed','bob@example.org',1,2,NULL,'pending',0,'2026-11-26 23:41:04.601983',NULL,'2026-11-26 23:41:04.601983',NULL,0,NULL);
INSERT INTO "delivery" VALUES(3,'mail','waiting','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:04.604488',NULL,'2026-11-26 23:41:04.604488',NULL,0,NULL);
INSERT INTO "delivery" VALUES(4,'mail','waiting','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:41:04.606827',NULL,'2026-11-26 23:41:04.606827',NULL,0,NULL);
INSERT INTO "delivery" VALUES(5,'mail','waiting','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:41:04.609289',NULL,'2026-11-26 23:41:04.609289',NULL,0,NULL);
INSERT INTO "delivery" VALUES(6,'mail','cancelled','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:41:04.611483',NULL,'2026-11-26 23:41:04.611483',NULL,0,NULL);
INSERT INTO "delivery" VALUES(7,'mail','promoted','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:04.611483',NULL,'2026-11-26 23:41:04.611483',NULL,0,NULL);
INSERT INTO "delivery" VALUES(8,'mail','cancelled','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:41:04.618487',NULL,'2026-11-26 23:41:04.618487',NULL,0,NULL);
INSERT INTO "delivery" VALUES(9,'mail','waiting','eve@example.org',1,6,NULL,'pending',0,'2026-11-26 23:41:04.621500',NULL,'2026-11-26 23:41:04.621500',NULL,0,NULL);
INSERT INTO "delivery" VALUES(10,'mail','reduced','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:04.623730',NULL,'2026-11-26 23:41:04.623730',NULL,0,NULL);
INSERT INTO "delivery" VALUES(11,'mail','promoted','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:41:04.623730',NULL,'2026-11-26 23:41:04.623730',NULL,0,NULL);
INSERT INTO "delivery" VALUES(12,'mail','confirmed','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:41:04.627395',NULL,'2026-11-26 23:41:04.627395',NULL,0,NULL);
INSERT INTO "delivery" VALUES(13,'mail','event_cancelled','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:41:04.629615',NULL,'2026-11-26 23:41:04.629615',NULL,0,NULL);
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
INSERT INTO "event" VALUES(1,1,'Harvest Supper','Three courses, *no* hurry.','Old Mill','Europe/Berlin','2027-05-03 17:30:00.000000','2027-05-03 20:30:00.000000','published',NULL,NULL,NULL,10,NULL,3,3,1,7,10,0,'2026-11-26 23:41:04.582413',0);
INSERT INTO "event" VALUES(2,1,'Müller''s draft 😀','','','UTC',NULL,NULL,'draft',NULL,NULL,NULL,10,NULL,10,0,0,1,1,0,'2026-11-26 23:41:04.588003',0);
INSERT INTO "event" VALUES(3,1,'Called off','','','UTC',NULL,NULL,'cancelled',NULL,NULL,NULL,10,NULL,5,0,0,2,3,0,'2026-11-26 23:41:04.589521',0);
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
INSERT INTO "organizer" VALUES(1,'olga','scrypt:32768:8:1$smq69KqGt9WavNVA$6daf7865672cd19fc5296eb85359116649f32644e285d0c563e9472345ab5bc84c3928634a92f82a107888a7a9bda410c9f7a657f30d1d8211c63afbd329d74b',NULL,1,'2026-11-26 23:41:04.560592',0,0);
CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at);
CREATE INDEX ix_api_token_organizer_id ON api_token (organizer_id);
CREATE INDEX ix_event_organizer_id ON event (organizer_id);
CREATE INDEX ix_event_status_starts_at ON event (status, starts_at);
CREATE INDEX ix_booking_email ON booking (email);
CREATE INDEX ix_booking_event_id_status_position ON booking (event_id, status, position);
CREATE INDEX ix_activity_event_id_revision ON activity (event_id, revision);
CREATE INDEX ix_activity_event_id_position ON activity (event_id, position);
CREATE INDEX ix_delivery_event_id ON delivery (event_id);
CREATE INDEX ix_delivery_event_id_position ON delivery (event_id, position);
CREATE UNIQUE INDEX ix_delivery_once ON delivery (once);
CREATE INDEX ix_delivery_receiver_state_bulk_next_try_at ON delivery (receiver, state, bulk, next_try_at);
CREATE INDEX ix_message_event_id ON message (event_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
INSERT INTO "sqlite_sequence" VALUES('delivery',13);
COMMIT;
