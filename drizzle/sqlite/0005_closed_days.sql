CREATE TABLE `closed_days` (
	`day_ms` integer PRIMARY KEY NOT NULL,
	`begun` integer NOT NULL,
	`attempts` integer
);
--> statement-breakpoint
CREATE TABLE `closed_parts` (
	`day_ms` integer NOT NULL,
	`kind` text NOT NULL,
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
	PRIMARY KEY(`kind`, `day_ms`, `user`, `tag`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (6);
