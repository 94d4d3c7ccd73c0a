CREATE TABLE `attempts` (
	`created_at_ms` integer NOT NULL,
	`id` text NOT NULL,
	`key_id` text NOT NULL,
	`answer_id` text,
	`model` text NOT NULL,
	`ended` integer,
	`detail` text NOT NULL,
	`input_tokens` integer GENERATED ALWAYS AS (detail ->> '$[0][0]') VIRTUAL,
	`cache_read_input_tokens` integer GENERATED ALWAYS AS (detail ->> '$[0][1]') VIRTUAL,
	`cache_creation_input_tokens` integer GENERATED ALWAYS AS (detail ->> '$[0][2]') VIRTUAL,
	`output_tokens` integer GENERATED ALWAYS AS (detail ->> '$[0][4]') VIRTUAL,
	`reasoning_output_tokens` integer GENERATED ALWAYS AS (detail ->> '$[0][5]') VIRTUAL,
	`last` integer GENERATED ALWAYS AS (detail ->> '$[1]') VIRTUAL,
	`lineage` text GENERATED ALWAYS AS (detail ->> '$[2]') VIRTUAL,
	`project` text GENERATED ALWAYS AS (detail ->> '$[3]') VIRTUAL,
	`requested_model` text GENERATED ALWAYS AS (detail ->> '$[4]') VIRTUAL,
	`provider` text GENERATED ALWAYS AS (detail ->> '$[5]') VIRTUAL,
	`upstream_model` text GENERATED ALWAYS AS (detail ->> '$[7]') VIRTUAL,
	`credential` text GENERATED ALWAYS AS (detail ->> '$[8]') VIRTUAL,
	`operation` text GENERATED ALWAYS AS (detail ->> '$[9]') VIRTUAL,
	`stream` integer GENERATED ALWAYS AS (detail ->> '$[10]') VIRTUAL,
	`status` integer GENERATED ALWAYS AS (detail ->> '$[11]') VIRTUAL,
	`error` text GENERATED ALWAYS AS (detail ->> '$[12]') VIRTUAL,
	`finish_reason` text GENERATED ALWAYS AS (detail ->> '$[13]') VIRTUAL,
	`cost_nano_usd` integer GENERATED ALWAYS AS (detail ->> '$[14]') VIRTUAL,
	`held_nano_usd` integer GENERATED ALWAYS AS (detail ->> '$[15]') VIRTUAL,
	`overrun_nano_usd` integer GENERATED ALWAYS AS (detail ->> '$[16]') VIRTUAL,
	`certainty` text GENERATED ALWAYS AS (detail ->> '$[17]') VIRTUAL,
	`price_id` text GENERATED ALWAYS AS (detail ->> '$[18]') VIRTUAL,
	`ttft_ms` real GENERATED ALWAYS AS (detail ->> '$[19]') VIRTUAL,
	`total_ms` real GENERATED ALWAYS AS (detail ->> '$[20]') VIRTUAL,
	`peer` text GENERATED ALWAYS AS (detail ->> '$[21]') VIRTUAL,
	`user` text GENERATED ALWAYS AS (detail ->> '$[22]') VIRTUAL,
	`tags` text GENERATED ALWAYS AS (detail ->> '$[23]') VIRTUAL,
	`why` text GENERATED ALWAYS AS (detail ->> '$[24]') VIRTUAL,
	PRIMARY KEY(`created_at_ms`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `attempts_key` ON `attempts` (`key_id`,`created_at_ms`,`id`,`answer_id`);--> statement-breakpoint
CREATE INDEX `attempts_failed` ON `attempts` (`created_at_ms`,`id`,`ended`,`key_id`,`model`) WHERE (ended < 200 or ended >= 400);--> statement-breakpoint
CREATE TABLE `budget_slices` (
	`owner` text NOT NULL,
	`window` text NOT NULL,
	`holder` text NOT NULL,
	`nano_usd` integer NOT NULL,
	`expires_at_ms` integer NOT NULL,
	PRIMARY KEY(`owner`, `window`, `holder`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `budget_buckets` (
	`lineage` text NOT NULL,
	`window` text NOT NULL,
	`bucket_start_ms` integer NOT NULL,
	`spent_nano_usd` integer NOT NULL,
	PRIMARY KEY(`lineage`, `window`, `bucket_start_ms`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `credentials` (
	`id` text PRIMARY KEY NOT NULL,
	`provider` text NOT NULL,
	`name` text NOT NULL,
	`weight` integer NOT NULL,
	`sealed` text,
	`ref` text,
	`fingerprint` text,
	`status` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`last_ok_at_ms` integer,
	`last_failed_at_ms` integer
);
--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`lineage` text NOT NULL,
	`hash` text NOT NULL,
	`pepper_version` integer NOT NULL,
	`name` text NOT NULL,
	`env` text NOT NULL,
	`status` text NOT NULL,
	`project` text,
	`owner` text,
	`created_at_ms` integer NOT NULL,
	`expires_at_ms` integer,
	`models` text,
	`providers` text,
	`limits` text NOT NULL,
	`budgets` text NOT NULL,
	`ip_allow` text,
	`ip_deny` text,
	`max_output_tokens` integer,
	`default_model` text,
	`tags` text NOT NULL,
	`metadata` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_hash` ON `keys` (`hash`);--> statement-breakpoint
CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`limits` text NOT NULL,
	`budgets` text NOT NULL,
	`metadata` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `schema_version` (
	`version` integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE `settings` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `spend_hourly` (
	`hour_ms` integer NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`project` text NOT NULL,
	`requests` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`cost_nano_usd` integer NOT NULL,
	`estimated_nano_usd` integer NOT NULL,
	`unknown_nano_usd` integer NOT NULL,
	`unpriced_requests` integer NOT NULL,
	PRIMARY KEY(`hour_ms`, `key_id`, `model`, `provider`, `project`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `spend_hourly_key` ON `spend_hourly` (`key_id`,`hour_ms`);
--> statement-breakpoint
CREATE TABLE `spend_daily` (
	`day_ms` integer NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`project` text NOT NULL,
	`requests` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`cost_nano_usd` integer NOT NULL,
	`estimated_nano_usd` integer NOT NULL,
	`unknown_nano_usd` integer NOT NULL,
	`unpriced_requests` integer NOT NULL,
	PRIMARY KEY(`day_ms`, `key_id`, `model`, `provider`, `project`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `spend_daily_key` ON `spend_daily` (`key_id`,`day_ms`);
--> statement-breakpoint
CREATE TABLE `parts_hourly` (
	`hour_ms` integer NOT NULL,
	`kind` text NOT NULL,
	`user` text NOT NULL,
	`tag` text NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`project` text NOT NULL,
	`requests` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`cost_nano_usd` integer NOT NULL,
	`estimated_nano_usd` integer NOT NULL,
	`unknown_nano_usd` integer NOT NULL,
	`unpriced_requests` integer NOT NULL,
	PRIMARY KEY(`kind`, `hour_ms`, `user`, `tag`, `key_id`, `model`, `provider`, `project`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `parts_daily` (
	`day_ms` integer NOT NULL,
	`kind` text NOT NULL,
	`user` text NOT NULL,
	`tag` text NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`project` text NOT NULL,
	`requests` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`cost_nano_usd` integer NOT NULL,
	`estimated_nano_usd` integer NOT NULL,
	`unknown_nano_usd` integer NOT NULL,
	`unpriced_requests` integer NOT NULL,
	PRIMARY KEY(`kind`, `day_ms`, `user`, `tag`, `key_id`, `model`, `provider`, `project`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `key_use` (
	`key_id` text PRIMARY KEY NOT NULL,
	`last_used_at_ms` integer NOT NULL,
	`spent_nano_usd` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (1);
