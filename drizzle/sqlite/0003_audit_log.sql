CREATE TABLE `audit` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`actor` text NOT NULL,
	`address` text,
	`action` text NOT NULL,
	`target` text,
	`detail` text NOT NULL,
	`prev` text NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_target` ON `audit` (`target`,`seq`);--> statement-breakpoint
CREATE INDEX `audit_time` ON `audit` (`at_ms`);
--> statement-breakpoint
INSERT INTO `schema_version` (`version`) VALUES (4);
