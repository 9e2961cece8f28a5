-- Several languages among which speech is detected, as their codes with commas; NULL where `speech_language` says it all.
ALTER TABLE chats ADD COLUMN speech_languages TEXT;
ALTER TABLE usage ADD COLUMN speech_languages TEXT;
