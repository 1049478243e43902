CREATE TABLE `activity` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `event_id` bigint(20) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `batch` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `what` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `actor` varchar(80) NOT NULL,
  `at` datetime(6) NOT NULL,
  `position` int(11) DEFAULT NULL,
  `cause` int(11) DEFAULT NULL,
  `status_before` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `status_after` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `tickets_before` int(11) DEFAULT NULL,
  `tickets_after` int(11) DEFAULT NULL,
  `details` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`details`)),
  PRIMARY KEY (`id`),
  KEY `ix_activity_event_id_revision` (`event_id`,`revision`),
  KEY `ix_activity_event_id_position` (`event_id`,`position`),
  CONSTRAINT `fk_activity_event_id` FOREIGN KEY (`event_id`) REFERENCES `event` (`id`),
  CONSTRAINT `fk_activity_event_id_position` FOREIGN KEY (`event_id`, `position`) REFERENCES `booking` (`event_id`, `position`)
) ENGINE=InnoDB AUTO_INCREMENT=18 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (1, 1, 1, 'XTrUJzN6V8joFJ4QWyQbxA', 'created', 'organizer:1', '2026-11-26 23:41:25.794812', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (2, 2, 1, 'YKqfSYzJIUTzhUjxZ8SiVg', 'created', 'organizer:1', '2026-11-26 23:41:25.800343', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (3, 3, 1, 'kFd5_ZVTTmPbDTN4fAG2JA', 'created', 'organizer:1', '2026-11-26 23:41:25.802459', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (4, 1, 2, 'YZmmMn8Lgmd0IZzUTMIj9A', 'booked', 'attendee', '2026-11-26 23:41:25.806462', 1, NULL, NULL, 'confirmed', NULL, 2, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (5, 1, 3, 'fJUquHxskUPCNNktp_gWgA', 'booked', 'attendee', '2026-11-26 23:41:25.816366', 2, NULL, NULL, 'confirmed', NULL, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (6, 1, 4, 'c0WUJwcLsdL-jcJmMoTKlA', 'booked', 'attendee', '2026-11-26 23:41:25.820287', 3, NULL, NULL, 'waiting', NULL, 2, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (7, 1, 5, '-Gk3klNUm9AU7XsU7pUScQ', 'booked', 'attendee', '2026-11-26 23:41:25.823980', 4, NULL, NULL, 'waiting', NULL, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (8, 1, 6, '8tph7zIGRfVrKLQY_CUhfg', 'booked', 'attendee', '2026-11-26 23:41:25.829078', 5, NULL, NULL, 'waiting', NULL, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (9, 1, 7, '_20BpppVJ-n4OycUF-yQYg', 'cancelled', 'attendee', '2026-11-26 23:41:25.834061', 1, NULL, 'confirmed', 'cancelled', 2, 2, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (10, 1, 7, '_20BpppVJ-n4OycUF-yQYg', 'promoted', 'attendee', '2026-11-26 23:41:25.834061', 3, 1, 'waiting', 'confirmed', 2, 2, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (11, 1, 8, 'niuwojHS-Ex4Djo91rBuKg', 'cancelled', 'attendee', '2026-11-26 23:41:25.846068', 5, NULL, 'waiting', 'cancelled', 1, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (12, 1, 9, 'yHo7gD6AqgBoVIqowjJfkg', 'booked', 'attendee', '2026-11-26 23:41:25.854925', 6, NULL, NULL, 'waiting', NULL, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (13, 1, 10, '21HIQZCFrXnNx5cNyLlUmA', 'reduced', 'attendee', '2026-11-26 23:41:25.858397', 3, NULL, 'confirmed', 'confirmed', 2, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (14, 1, 10, '21HIQZCFrXnNx5cNyLlUmA', 'promoted', 'attendee', '2026-11-26 23:41:25.858397', 4, 3, 'waiting', 'confirmed', 1, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (15, 3, 2, 'Namxicl62z8BoEaXQT1W2A', 'booked', 'attendee', '2026-11-26 23:41:25.863352', 1, NULL, NULL, 'confirmed', NULL, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (16, 3, 3, 'pPVnX06Mc1KkvKKw3nkk0g', 'cancelled', 'organizer:1', '2026-11-26 23:41:25.866878', 1, NULL, 'confirmed', 'cancelled', 1, 1, NULL);
INSERT INTO `activity` (`id`, `event_id`, `revision`, `batch`, `what`, `actor`, `at`, `position`, `cause`, `status_before`, `status_after`, `tickets_before`, `tickets_after`, `details`) VALUES (17, 3, 3, 'pPVnX06Mc1KkvKKw3nkk0g', 'cancelled', 'organizer:1', '2026-11-26 23:41:25.866878', NULL, NULL, NULL, NULL, NULL, NULL, '{\"status\": [\"published\", \"cancelled\"]}');
CREATE TABLE `alembic_version` (
  `version_num` varchar(32) NOT NULL,
  PRIMARY KEY (`version_num`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `alembic_version` (`version_num`) VALUES ('0004');
CREATE TABLE `api_token` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `organizer_id` bigint(20) NOT NULL,
  `name` varchar(200) NOT NULL,
  `token_hash` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq_api_token_token_hash` (`token_hash`),
  KEY `ix_api_token_organizer_id` (`organizer_id`),
  CONSTRAINT `fk_api_token_organizer_id` FOREIGN KEY (`organizer_id`) REFERENCES `organizer` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `api_token` (`id`, `organizer_id`, `name`, `token_hash`, `created_at`) VALUES (1, 1, 'tests', 'a5786120adb76fa96930821e8723daeda0afa01bd96be8ca348f588c278841a7', '2026-11-26 23:41:25.771759');
CREATE TABLE `booking` (
  `event_id` bigint(20) NOT NULL,
  `position` int(11) NOT NULL,
  `attendee_id` varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `status` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `tickets` int(11) NOT NULL,
  `reference` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `ticket_code` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(200) NOT NULL,
  `email` varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  `active` int(11) GENERATED ALWAYS AS (case when `status` <> 'cancelled' then 1 end) VIRTUAL,
  PRIMARY KEY (`event_id`,`position`),
  UNIQUE KEY `uq_booking_reference` (`reference`),
  UNIQUE KEY `uq_booking_ticket_code` (`ticket_code`),
  UNIQUE KEY `uq_booking_event_id_attendee_id_active` (`event_id`,`attendee_id`,`active`),
  KEY `ix_booking_email` (`email`),
  KEY `ix_booking_event_id_status_position` (`event_id`,`status`,`position`),
  CONSTRAINT `fk_booking_event_id` FOREIGN KEY (`event_id`) REFERENCES `event` (`id`),
  CONSTRAINT `ck_booking_status` CHECK (`status` in ('confirmed','waiting','cancelled')),
  CONSTRAINT `ck_booking_position` CHECK (`position` >= 1),
  CONSTRAINT `ck_booking_tickets` CHECK (`tickets` >= 1)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 1, 'ada@example.org', 'cancelled', 2, 'jvf7rrZXgVwd8X-3aCBB3w', 'F3KPG6RBQRWW4XFK', 'Ada', 'ada@example.org', '2026-11-26 23:41:25.806462');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 2, 'bob@example.org', 'confirmed', 1, 'K2OHgXqpFcX5GpYr-ukEtQ', 'JHAVTZGJJKDKMX64', 'Bob', 'bob@example.org', '2026-11-26 23:41:25.816366');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 3, 'cleo@example.org', 'confirmed', 1, 'T6hS7LdVMrk5uwwtjK0Fsw', 'PAZVADN00QD4Z997', 'Cleo', 'cleo@example.org', '2026-11-26 23:41:25.820287');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 4, 'dan@example.org', 'confirmed', 1, '1dYWVIpUQr6d7YKOTKtfCA', '0ZYMCJPXQRTSCJKA', 'Dan', 'dan@example.org', '2026-11-26 23:41:25.823980');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 5, 'eve@example.org', 'cancelled', 1, 'lNjhaK53-Uz58YHW_J9eMg', '2WAR72Z1M9HD5MDT', 'Eve', 'eve@example.org', '2026-11-26 23:41:25.829078');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (1, 6, 'eve@example.org', 'waiting', 1, 'MlOBLyRE8-CfHUhMnPHGQQ', '2DHG3VG9D2PYR50C', 'Eve', 'eve@example.org', '2026-11-26 23:41:25.854925');
INSERT INTO `booking` (`event_id`, `position`, `attendee_id`, `status`, `tickets`, `reference`, `ticket_code`, `name`, `email`, `created_at`) VALUES (3, 1, 'ada@example.org', 'cancelled', 1, 'IfE1RipCg4VgJ7lk1MMZ0w', 'K4J6EQ9Q17YF9KXG', 'Ada', 'ada@example.org', '2026-11-26 23:41:25.863352');
CREATE TABLE `delivery` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `receiver` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `what` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `recipient` varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `event_id` bigint(20) DEFAULT NULL,
  `position` int(11) DEFAULT NULL,
  `details` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`details`)),
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempts` int(11) NOT NULL,
  `next_try_at` datetime(6) NOT NULL,
  `problem` varchar(500) DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  `sent_at` datetime(6) DEFAULT NULL,
  `bulk` tinyint(1) NOT NULL DEFAULT 0,
  `once` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `ix_delivery_once` (`once`),
  KEY `ix_delivery_event_id_position` (`event_id`,`position`),
  KEY `ix_delivery_receiver_state_bulk_next_try_at` (`receiver`,`state`,`bulk`,`next_try_at`),
  KEY `ix_delivery_event_id_state` (`event_id`,`state`),
  CONSTRAINT `fk_delivery_event_id` FOREIGN KEY (`event_id`) REFERENCES `event` (`id`),
  CONSTRAINT `ck_delivery_attempts` CHECK (`attempts` >= 0),
  CONSTRAINT `ck_delivery_state` CHECK (`state` in ('pending','sent','parked'))
) ENGINE=InnoDB AUTO_INCREMENT=14 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (1, 'mail', 'confirmed', 'ada@example.org', 1, 1, NULL, 'pending', 0, '2026-11-26 23:41:25.806462', NULL, '2026-11-26 23:41:25.806462', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (2, 'mail', 'confirmed', 'bob@example.org', 1, 2, NULL, 'pending', 0, '2026-11-26 23:41:25.816366', NULL, '2026-11-26 23:41:25.816366', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (3, 'mail', 'waiting', 'cleo@example.org', 1, 3, NULL, 'pending', 0, '2026-11-26 23:41:25.820287', NULL, '2026-11-26 23:41:25.820287', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (4, 'mail', 'waiting', 'dan@example.org', 1, 4, NULL, 'pending', 0, '2026-11-26 23:41:25.823980', NULL, '2026-11-26 23:41:25.823980', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (5, 'mail', 'waiting', 'eve@example.org', 1, 5, NULL, 'pending', 0, '2026-11-26 23:41:25.829078', NULL, '2026-11-26 23:41:25.829078', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (6, 'mail', 'cancelled', 'ada@example.org', 1, 1, NULL, 'pending', 0, '2026-11-26 23:41:25.834061', NULL, '2026-11-26 23:41:25.834061', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (7, 'mail', 'promoted', 'cleo@example.org', 1, 3, NULL, 'pending', 0, '2026-11-26 23:41:25.834061', NULL, '2026-11-26 23:41:25.834061', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (8, 'mail', 'cancelled', 'eve@example.org', 1, 5, NULL, 'pending', 0, '2026-11-26 23:41:25.846068', NULL, '2026-11-26 23:41:25.846068', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (9, 'mail', 'waiting', 'eve@example.org', 1, 6, NULL, 'pending', 0, '2026-11-26 23:41:25.854925', NULL, '2026-11-26 23:41:25.854925', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (10, 'mail', 'reduced', 'cleo@example.org', 1, 3, NULL, 'pending', 0, '2026-11-26 23:41:25.858397', NULL, '2026-11-26 23:41:25.858397', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (11, 'mail', 'promoted', 'dan@example.org', 1, 4, NULL, 'pending', 0, '2026-11-26 23:41:25.858397', NULL, '2026-11-26 23:41:25.858397', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (12, 'mail', 'confirmed', 'ada@example.org', 3, 1, NULL, 'pending', 0, '2026-11-26 23:41:25.863352', NULL, '2026-11-26 23:41:25.863352', NULL, 0, NULL);
INSERT INTO `delivery` (`id`, `receiver`, `what`, `recipient`, `event_id`, `position`, `details`, `state`, `attempts`, `next_try_at`, `problem`, `created_at`, `sent_at`, `bulk`, `once`) VALUES (13, 'mail', 'event_cancelled', 'ada@example.org', 3, 1, NULL, 'pending', 0, '2026-11-26 23:41:25.866878', NULL, '2026-11-26 23:41:25.866878', NULL, 0, NULL);
CREATE TABLE `event` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `organizer_id` bigint(20) NOT NULL,
  `name` varchar(200) NOT NULL,
  `description` mediumtext NOT NULL,
  `location` varchar(200) NOT NULL,
  `time_zone` varchar(64) NOT NULL,
  `starts_at` datetime(6) DEFAULT NULL,
  `ends_at` datetime(6) DEFAULT NULL,
  `status` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `sales_open_at` datetime(6) DEFAULT NULL,
  `sales_close_at` datetime(6) DEFAULT NULL,
  `cancel_until` datetime(6) DEFAULT NULL,
  `max_tickets_per_booking` int(11) NOT NULL,
  `waiting_list_limit` int(11) DEFAULT NULL,
  `capacity` int(11) NOT NULL,
  `confirmed` int(11) NOT NULL,
  `waiting` int(11) NOT NULL,
  `next_position` int(11) NOT NULL,
  `revision` bigint(20) NOT NULL,
  `is_sample` tinyint(1) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `reminds` tinyint(1) NOT NULL DEFAULT 0,
  `picture` varchar(40) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `picture_description` varchar(200) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`),
  KEY `ix_event_organizer_id` (`organizer_id`),
  KEY `ix_event_status_starts_at` (`status`,`starts_at`),
  KEY `ix_event_organizer_id_starts_at` (`organizer_id`,`starts_at`),
  CONSTRAINT `fk_event_organizer_id` FOREIGN KEY (`organizer_id`) REFERENCES `organizer` (`id`),
  CONSTRAINT `ck_event_status` CHECK (`status` in ('draft','published','cancelled')),
  CONSTRAINT `ck_event_capacity` CHECK (`capacity` between 1 and 10000000),
  CONSTRAINT `ck_event_confirmed` CHECK (`confirmed` between 0 and `capacity`),
  CONSTRAINT `ck_event_max_tickets_per_booking` CHECK (`max_tickets_per_booking` >= 1),
  CONSTRAINT `ck_event_next_position` CHECK (`next_position` >= 1),
  CONSTRAINT `ck_event_waiting` CHECK (`waiting` >= 0),
  CONSTRAINT `ck_event_waiting_list` CHECK (`waiting_list_limit` is null or `waiting_list_limit` >= 0)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `event` (`id`, `organizer_id`, `name`, `description`, `location`, `time_zone`, `starts_at`, `ends_at`, `status`, `sales_open_at`, `sales_close_at`, `cancel_until`, `max_tickets_per_booking`, `waiting_list_limit`, `capacity`, `confirmed`, `waiting`, `next_position`, `revision`, `is_sample`, `created_at`, `reminds`, `picture`, `picture_description`) VALUES (1, 1, 'Harvest Supper', 'Three courses, *no* hurry.', 'Old Mill', 'Europe/Berlin', '2027-05-03 17:30:00', '2027-05-03 20:30:00', 'published', NULL, NULL, NULL, 10, NULL, 3, 3, 1, 7, 10, 0, '2026-11-26 23:41:25.794812', 0, NULL, '');
INSERT INTO `event` (`id`, `organizer_id`, `name`, `description`, `location`, `time_zone`, `starts_at`, `ends_at`, `status`, `sales_open_at`, `sales_close_at`, `cancel_until`, `max_tickets_per_booking`, `waiting_list_limit`, `capacity`, `confirmed`, `waiting`, `next_position`, `revision`, `is_sample`, `created_at`, `reminds`, `picture`, `picture_description`) VALUES (2, 1, 'Müller\'s draft 😀', '', '', 'UTC', NULL, NULL, 'draft', NULL, NULL, NULL, 10, NULL, 10, 0, 0, 1, 1, 0, '2026-11-26 23:41:25.800343', 0, NULL, '');
INSERT INTO `event` (`id`, `organizer_id`, `name`, `description`, `location`, `time_zone`, `starts_at`, `ends_at`, `status`, `sales_open_at`, `sales_close_at`, `cancel_until`, `max_tickets_per_booking`, `waiting_list_limit`, `capacity`, `confirmed`, `waiting`, `next_position`, `revision`, `is_sample`, `created_at`, `reminds`, `picture`, `picture_description`) VALUES (3, 1, 'Called off', '', '', 'UTC', NULL, NULL, 'cancelled', NULL, NULL, NULL, 10, NULL, 5, 0, 0, 2, 3, 0, '2026-11-26 23:41:25.802459', 0, NULL, '');
CREATE TABLE `idempotency_key` (
  `event_id` bigint(20) NOT NULL,
  `operation` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `caller` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `key` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `content_hash` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `answer` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`answer`)),
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`event_id`,`operation`,`caller`,`key`),
  KEY `ix_idempotency_key_created_at` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE `message` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `event_id` bigint(20) NOT NULL,
  `audience` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `subject` varchar(200) NOT NULL,
  `text` text NOT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_message_event_id` (`event_id`),
  CONSTRAINT `fk_message_event_id` FOREIGN KEY (`event_id`) REFERENCES `event` (`id`),
  CONSTRAINT `ck_message_audience` CHECK (`audience` in ('all','confirmed','waiting'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE `opt_out` (
  `organizer_id` bigint(20) NOT NULL,
  `recipient` varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`organizer_id`,`recipient`),
  CONSTRAINT `fk_opt_out_organizer_id` FOREIGN KEY (`organizer_id`) REFERENCES `organizer` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE `organizer` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `username` varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `password_hash` varchar(255) NOT NULL,
  `email` varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `credential_version` int(11) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `wants_sold_out` tinyint(1) NOT NULL DEFAULT 0,
  `wants_summary` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq_organizer_username` (`username`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO `organizer` (`id`, `username`, `password_hash`, `email`, `credential_version`, `created_at`, `wants_sold_out`, `wants_summary`) VALUES (1, 'olga', 'scrypt:32768:8:1$AWXIQa2DU80yHdov$b5d206be5587039070dc52ae7ae5f4797250944fab98a1a4488c67b8b2a826aa105290422176e04e38e6b3b5ea2ee5363e66215f1cb8ba4025c0d4dbd7ab2f2d', NULL, 1, '2026-11-26 23:41:25.704622', 0, 0);
CREATE TABLE `picture` (
  `event_id` bigint(20) NOT NULL,
  `large` mediumblob NOT NULL,
  `small` mediumblob NOT NULL,
  PRIMARY KEY (`event_id`),
  CONSTRAINT `fk_picture_event_id` FOREIGN KEY (`event_id`) REFERENCES `event` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
