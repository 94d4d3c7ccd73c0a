ALTER TABLE `attempts` DROP COLUMN `input_tokens`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `cache_read_input_tokens`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `cache_creation_input_tokens`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `output_tokens`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `reasoning_output_tokens`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `last`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `lineage`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `project`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `requested_model`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `provider`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `upstream_model`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `credential`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `operation`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `stream`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `status`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `error`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `finish_reason`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `cost_nano_usd`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `held_nano_usd`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `overrun_nano_usd`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `certainty`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `price_id`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `ttft_ms`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `total_ms`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `peer`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `user`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `tags`;--> statement-breakpoint
ALTER TABLE `attempts` DROP COLUMN `why`;--> statement-breakpoint
CREATE VIEW `attempt_facts` AS select created_at_ms, id, key_id, answer_id, model, ended,
    detail ->> '$[0][0]' as input_tokens,
    detail ->> '$[0][1]' as cache_read_input_tokens,
    detail ->> '$[0][2]' as cache_creation_input_tokens,
    detail ->> '$[0][4]' as output_tokens,
    detail ->> '$[0][5]' as reasoning_output_tokens,
    detail ->> '$[1]' as last,
    detail ->> '$[2]' as lineage,
    detail ->> '$[3]' as project,
    detail ->> '$[4]' as requested_model,
    detail ->> '$[5]' as provider,
    detail ->> '$[7]' as upstream_model,
    detail ->> '$[8]' as credential,
    detail ->> '$[9]' as operation,
    detail ->> '$[10]' as stream,
    detail ->> '$[11]' as status,
    detail ->> '$[12]' as error,
    detail ->> '$[13]' as finish_reason,
    detail ->> '$[14]' as cost_nano_usd,
    detail ->> '$[15]' as held_nano_usd,
    detail ->> '$[16]' as overrun_nano_usd,
    detail ->> '$[17]' as certainty,
    detail ->> '$[18]' as price_id,
    detail ->> '$[19]' as ttft_ms,
    detail ->> '$[20]' as total_ms,
    detail ->> '$[21]' as peer,
    detail ->> '$[22]' as "user",
    detail ->> '$[23]' as tags,
    detail ->> '$[24]' as why
  from attempts;
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (3);
