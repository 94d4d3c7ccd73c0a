ALTER TABLE `credentials` ADD `version` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `credentials` ADD `others` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `scopes` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `origin_allow` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `hours` text;
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (5);
