DROP TABLE `closed_parts`;
--> statement-breakpoint
DELETE FROM `closed_days`;
--> statement-breakpoint
CREATE TABLE `closed_sums` (
	`unit` text NOT NULL,
	`kind` text NOT NULL,
	`start_ms` integer NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`project` text NOT NULL,
	`user` text NOT NULL,
	`tag` text NOT NULL,
	`requests` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`cost_nano_usd` integer NOT NULL,
	`estimated_nano_usd` integer NOT NULL,
	`unknown_nano_usd` integer NOT NULL,
	`unpriced_requests` integer NOT NULL,
	PRIMARY KEY(`unit`, `kind`, `start_ms`, `key_id`, `model`, `provider`, `project`, `user`, `tag`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `closed_weeks` (
	`week_ms` integer PRIMARY KEY NOT NULL,
	`begun` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (7);
