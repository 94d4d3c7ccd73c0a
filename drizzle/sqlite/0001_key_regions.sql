ALTER TABLE `keys` ADD `regions` text;
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (2);
