CREATE TABLE `attempts` (
	`id` text PRIMARY KEY NOT NULL,
	`request_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`last` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`key_id` text NOT NULL,
	`lineage` text NOT NULL,
	`project` text,
	`requested_model` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`upstream_model` text NOT NULL,
	`credential` text NOT NULL,
	`operation` text NOT NULL,
	`stream` integer NOT NULL,
	`status` integer NOT NULL,
	`error` text,
	`finish_reason` text,
	`input_tokens` integer,
	`cache_read_input_tokens` integer,
	`cache_creation_input_tokens` integer,
	`cache_creation_1h_input_tokens` integer,
	`output_tokens` integer,
	`reasoning_output_tokens` integer,
	`reported_cost_nano_usd` integer,
	`cost_nano_usd` integer,
	`held_nano_usd` integer NOT NULL,
	`overrun_nano_usd` integer NOT NULL,
	`certainty` text NOT NULL,
	`price_id` text,
	`ttft_ms` real,
	`total_ms` real NOT NULL,
	`peer` text NOT NULL,
	`user` text,
	`tags` text,
	`answer_id` text,
	`why` text
);
--> statement-breakpoint
CREATE INDEX `attempts_created` ON `attempts` (`created_at_ms`);--> statement-breakpoint
CREATE INDEX `attempts_key_created` ON `attempts` (`key_id`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `attempts_answer` ON `attempts` (`answer_id`) WHERE "attempts"."answer_id" is not null;--> statement-breakpoint
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
	`last_used_at_ms` integer NOT NULL,
	PRIMARY KEY(`hour_ms`, `key_id`, `model`, `provider`, `project`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `spend_hourly_key` ON `spend_hourly` (`key_id`,`hour_ms`);
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (1);
