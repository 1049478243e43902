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
INSERT INTO "activity" VALUES(1,1,1,'SvpHQW4VLLZt24vC4hiW0A','created','organizer:1','2026-11-26 23:41:40.880760',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(2,2,1,'-9zF5zJSafbpj7UkW70wEA','created','organizer:1','2026-11-26 23:41:40.886128',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(3,3,1,'VbTzrLU77oE9HuHSLZXg6A','created','organizer:1','2026-11-26 23:41:40.888406',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "activity" VALUES(4,1,2,'Ys2WWg6cpqjHd3jI7WYiWQ','booked','attendee','2026-11-26 23:41:40.891597',1,NULL,NULL,'confirmed',NULL,2,NULL);
INSERT INTO "activity" VALUES(5,1,3,'6e6b1gWpX36JrbDpaARZDA','booked','attendee','2026-11-26 23:41:40.902015',2,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(6,1,4,'OKdUZzVfdCMZx8Mq1M5x9w','booked','attendee','2026-11-26 23:41:40.905505',3,NULL,NULL,'waiting',NULL,2,NULL);
INSERT INTO "activity" VALUES(7,1,5,'_QROyWcFYdk-_SaVgcLLbA','booked','attendee','2026-11-26 23:41:40.908740',4,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(8,1,6,'9y7uCSpaeuzmu13kN0L_gw','booked','attendee','2026-11-26 23:41:40.911624',5,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(9,1,7,'J_X2qoT1b3jwu2AGoxu8BQ','cancelled','attendee','2026-11-26 23:41:40.914894',1,NULL,'confirmed','cancelled',2,2,NULL);
INSERT INTO "activity" VALUES(10,1,7,'J_X2qoT1b3jwu2AGoxu8BQ','promoted','attendee','2026-11-26 23:41:40.914894',3,1,'waiting','confirmed',2,2,NULL);
INSERT INTO "activity" VALUES(11,1,8,'qxm0QZBjJHtPWodIFsvEhQ','cancelled','attendee','2026-11-26 23:41:40.922258',5,NULL,'waiting','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(12,1,9,'4-FLaWm-ayjwlj1Wcx25yg','booked','attendee','2026-11-26 23:41:40.926395',6,NULL,NULL,'waiting',NULL,1,NULL);
INSERT INTO "activity" VALUES(13,1,10,'45eRhYxvr-PNAeWVrTkctw','reduced','attendee','2026-11-26 23:41:40.929042',3,NULL,'confirmed','confirmed',2,1,NULL);
INSERT INTO "activity" VALUES(14,1,10,'45eRhYxvr-PNAeWVrTkctw','promoted','attendee','2026-11-26 23:41:40.929042',4,3,'waiting','confirmed',1,1,NULL);
INSERT INTO "activity" VALUES(15,3,2,'tnYB1hG2kmvVow6C9pBVIA','booked','attendee','2026-11-26 23:41:40.933706',1,NULL,NULL,'confirmed',NULL,1,NULL);
INSERT INTO "activity" VALUES(16,3,3,'eyLLqBat1BT8UrsRhgxBgw','cancelled','organizer:1','2026-11-26 23:41:40.937850',1,NULL,'confirmed','cancelled',1,1,NULL);
INSERT INTO "activity" VALUES(17,3,3,'eyLLqBat1BT8UrsRhgxBgw','cancelled','organizer:1','2026-11-26 23:41:40.937850',NULL,NULL,NULL,NULL,NULL,NULL,'{"status": ["published", "cancelled"]}');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
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
INSERT INTO "api_token" VALUES(1,1,'tests','8de340001d6331d5d84606e600dbb6471370a0db6cf3b00b9391fb9684c5b34a','2026-11-26 23:41:40.863728');
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
INSERT INTO "booking" VALUES(1,1,'ada@example.org','cancelled',2,'1C1uGw4c-4uJoeq5-C0Sxg','3AE3D3QNZHQ9JK1E','Ada','ada@example.org','2026-11-26 23:41:40.891597');
INSERT INTO "booking" VALUES(1,2,'bob@example.org','confirmed',1,'ff4mHKQa17H9IPuKtyiOIA','TEJCVJSK036XJ3BZ','Bob','bob@example.org','2026-11-26 23:41:40.902015');
INSERT INTO "booking" VALUES(1,3,'cleo@example.org','confirmed',1,'QoAgMbakOytjuifXvbYRPQ','R1CPQ13RH9TJMV45','Cleo','cleo@example.org','2026-11-26 23:41:40.905505');
INSERT INTO "booking" VALUES(1,4,'dan@example.org','confirmed',1,'IKmFjBFjZL6vzAmPk-tW3A','BC8JBHG0X0DXK4BK','Dan','dan@example.org','2026-11-26 23:41:40.908740');
INSERT INTO "booking" VALUES(1,5,'eve@example.org','cancelled',1,'N8RoDRA5SDdKZYzqhz3iAA','BH4M29WVBQX98RZ4','Eve','eve@example.org','2026-11-26 23:41:40.911624');
INSERT INTO "booking" VALUES(1,6,'eve@example.org','waiting',1,'Obtrg1mo9EqbIPGqIJ9vWA','BYE65QZEJ8NR8P2N','Eve','eve@example.org','2026-11-26 23:41:40.926395');
INSERT INTO "booking" VALUES(3,1,'ada@example.org','cancelled',1,'Nl7q-DrfpSxpPSsyUA2riQ','NW7X396F3DVKMZ5Q','Ada','ada@example.org','2026-11-26 23:41:40.933706');
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
INSERT INTO "delivery" VALUES(1,'mail','confirmed','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:41:40.891597',NULL,'2026-11-26 23:41:40.891597',NULL,0,NULL);
INSERT INTO "delivery" VALUES(2,'mail','confirmed','bob@example.org',1,2,NULL,'pending',0,'2026-11-26 23:41:40.902015',NULL,'2026-11-26 23:41:40.902015',NULL,0,NULL);
INSERT INTO "delivery" VALUES(3,'mail','waiting','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:40.905505',NULL,'2026-11-26 23:41:40.905505',NULL,0,NULL);
INSERT INTO "delivery" VALUES(4,'mail','waiting','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:41:40.908740',NULL,'2026-11-26 23:41:40.908740',NULL,0,NULL);
INSERT INTO "delivery" VALUES(5,'mail','waiting','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:41:40.911624',NULL,'2026-11-26 23:41:40.911624',NULL,0,NULL);
INSERT INTO "delivery" VALUES(6,'mail','cancelled','ada@example.org',1,1,NULL,'pending',0,'2026-11-26 23:41:40.914894',NULL,'2026-11-26 23:41:40.914894',NULL,0,NULL);
INSERT INTO "delivery" VALUES(7,'mail','promoted','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:40.914894',NULL,'2026-11-26 23:41:40.914894',NULL,0,NULL);
INSERT INTO "delivery" VALUES(8,'mail','cancelled','eve@example.org',1,5,NULL,'pending',0,'2026-11-26 23:41:40.922258',NULL,'2026-11-26 23:41:40.922258',NULL,0,NULL);
INSERT INTO "delivery" VALUES(9,'mail','waiting','eve@example.org',1,6,NULL,'pending',0,'2026-11-26 23:41:40.926395',NULL,'2026-11-26 23:41:40.926395',NULL,0,NULL);
INSERT INTO "delivery" VALUES(10,'mail','reduced','cleo@example.org',1,3,NULL,'pending',0,'2026-11-26 23:41:40.929042',NULL,'2026-11-26 23:41:40.929042',NULL,0,NULL);
INSERT INTO "delivery" VALUES(11,'mail','promoted','dan@example.org',1,4,NULL,'pending',0,'2026-11-26 23:41:40.929042',NULL,'2026-11-26 23:41:40.929042',NULL,0,NULL);
INSERT INTO "delivery" VALUES(12,'mail','confirmed','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:41:40.933706',NULL,'2026-11-26 23:41:40.933706',NULL,0,NULL);
INSERT INTO "delivery" VALUES(13,'mail','event_cancelled','ada@example.org',3,1,NULL,'pending',0,'2026-11-26 23:41:40.937850',NULL,'2026-11-26 23:41:40.937850',NULL,0,NULL);
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
	created_at DATETIME NOT NULL, reminds BOOLEAN DEFAULT 0 NOT NULL, picture VARCHAR(40), picture_description VARCHAR(200) DEFAULT '' NOT NULL, 
	CONSTRAINT ck_event_status CHECK (status IN ('draft', 'published', 'cancelled')), 
	CONSTRAINT ck_event_capacity CHECK (capacity BETWEEN 1 AND 10000000), 
	CONSTRAINT ck_event_confirmed CHECK (confirmed BETWEEN 0 AND capacity), 
	CONSTRAINT ck_event_max_tickets_per_booking CHECK (max_tickets_per_booking >= 1), 
	CONSTRAINT ck_event_next_position CHECK (next_position >= 1), 
	CONSTRAINT ck_event_waiting CHECK (waiting >= 0), 
	CONSTRAINT ck_event_waiting_list CHECK (waiting_list_limit IS NULL OR waiting_list_limit >= 0), 
	CONSTRAINT fk_event_organizer_id FOREIGN KEY(organizer_id) REFERENCES organizer (id)
);
INSERT INTO "event" VALUES(1,1,'Harvest Supper','Three courses, *no* hurry.','Old Mill','Europe/Berlin','2027-05-03 17:30:00.000000','2027-05-03 20:30:00.000000','published',NULL,NULL,NULL,10,NULL,3,3,1,7,10,0,'2026-11-26 23:41:40.880760',0,NULL,'');
INSERT INTO "event" VALUES(2,1,'Müller''s draft 😀','','','UTC',NULL,NULL,'draft',NULL,NULL,NULL,10,NULL,10,0,0,1,1,0,'2026-11-26 23:41:40.886128',0,NULL,'');
INSERT INTO "event" VALUES(3,1,'Called off','','','UTC',NULL,NULL,'cancelled',NULL,NULL,NULL,10,NULL,5,0,0,2,3,0,'2026-11-26 23:41:40.888406',0,NULL,'');
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
INSERT INTO "organizer" VALUES(1,'olga','scrypt:32768:8:1$ChY1r8bwaocRyLJw$71be622506073a34618b35973f6c5b15f0c890d7af5687d2251920f2b0da77a911d1ac2ec07ce47430c78053b4070d4010500205ea1779e6adf438b59dd6f303',NULL,1,'2026-11-26 23:41:40.857281',0,0);
CREATE TABLE pace (
	receiver VARCHAR(16) NOT NULL, 
	free_at DATETIME NOT NULL, 
	CONSTRAINT pk_pace PRIMARY KEY (receiver)
);
CREATE TABLE picture (
	event_id INTEGER NOT NULL, 
	large BLOB NOT NULL, 
	small BLOB NOT NULL, 
	CONSTRAINT pk_picture PRIMARY KEY (event_id), 
	CONSTRAINT fk_picture_event_id FOREIGN KEY(event_id) REFERENCES event (id)
);
CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at);
CREATE INDEX ix_api_token_organizer_id ON api_token (organizer_id);
CREATE INDEX ix_event_organizer_id ON event (organizer_id);
CREATE INDEX ix_event_status_starts_at ON event (status, starts_at);
CREATE INDEX ix_booking_email ON booking (email);
CREATE INDEX ix_booking_event_id_status_position ON booking (event_id, status, position);
CREATE INDEX ix_activity_event_id_revision ON activity (event_id, revision);
CREATE INDEX ix_activity_event_id_position ON activity (event_id, position);
CREATE INDEX ix_delivery_event_id_position ON delivery (event_id, position);
CREATE UNIQUE INDEX ix_delivery_once ON delivery (once);
CREATE INDEX ix_delivery_receiver_state_bulk_next_try_at ON delivery (receiver, state, bulk, next_try_at);
CREATE INDEX ix_message_event_id ON message (event_id);
CREATE INDEX ix_event_organizer_id_starts_at ON event (organizer_id, starts_at);
CREATE INDEX ix_delivery_event_id_state ON delivery (event_id, state);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
INSERT INTO "sqlite_sequence" VALUES('delivery',13);
COMMIT;
