# What the bot says, in English. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Downloading the file...
queued = 📋 In the queue: position { $position }
queued-about = 📋 In the queue: position about { $position }
queued-wait = ⏱️ Estimated wait: ~{ $wait }
queued-paused = ⏸️ The bot is paused: your message is kept and will be transcribed later, there is no need to send it again.
starting = ⚙️ Starting...
progress = 🔄 Transcribing [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Elapsed: { $elapsed }
progress-remaining = ⏱️ Elapsed: { $elapsed } | Remaining: ~{ $remaining }

## Answers

done = ✅ Done!
stopped = ⏹️ Stopped at { $time } of { $length }
answer-language = 🌐 Language: { $language }
low-confidence = ⚠️ Hard to hear: the text may be wrong in places.
missed-speech = ⚠️ Part of the speech could not be recognised and is missing from the text.
in-the-file = 📄 The whole text is in the file.
no-speech = 🤷 No speech found in this recording.

## The user's own account

business-heading = 👤 { $name } · { $time }
business-heading-unnamed = 👤 { $time }
business-connected = 🔗 Connected to your account. When you receive a voice message, a video note or audio, I send its text here. The other side notices nothing.
business-refused = 🔒 I am connected to your account, but this bot serves certain people only: I read and keep nothing. Please remove me in Telegram's settings.
help-business = 🔗 Connect me to your own account in Telegram's settings, and I transcribe here what others send you.
privacy-business = 🔗 Of recordings that you receive on your own account, the sender's name is kept until the text is sent, and nothing else that names them. If a message is deleted there, recording and text are deleted here too.
my-data-business = 🔗 I am connected to your own account.

## Called as a guest, in a chat that the bot is not in

guest-usage = 🎙️ Call me as a reply to a voice message, a video note or audio: write @{ $bot } there, and I answer with its text.
guest-over = ⌛ This request has ended. If its text is not in your private chat with me, call me once more as a reply to the recording.
guest-rest = 📄 The rest is in your private chat with me.
guest-rest-lost = 📄 The text is longer. Start a private chat with me and call me once more: the rest comes there.
help-guest = 💬 In any other chat, reply to a recording with @{ $bot }, and I post its text there.
privacy-guest = 💬 Of a chat in which you call me without adding me, only the number of my answer there is kept.

## Refusals

request-number = Request { $number }
refused-others =
    { $count ->
        [one] { $count } more message was not accepted.
       *[other] { $count } more messages were not accepted.
    }
too-long =
    ⚠️ Maximum length: { $limit }
    Your file: { $actual }
too-long-unknown =
    ⚠️ Maximum length: { $limit }
    Your file is longer.
too-big = ⚠️ The file is too big. Maximum size: { $limit }
queue-full = ⚠️ The queue is full. Please try again in a few minutes.
user-limit-seconds =
    ⚠️ Too many messages in a row. Please try again in { $count ->
        [one] { $count } second
       *[other] { $count } seconds
    }.
user-limit-minutes =
    ⚠️ Too many messages in a row. Please try again in { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    }.
person-full =
    ⚠️ You already have { $count ->
        [one] { $count } message
       *[other] { $count } messages
    } waiting. Wait for the answers, or cancel your messages: /cancel
day-full =
    ⚠️ Daily limit reached: { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    } of audio per person. Please come back tomorrow.
not-allowed = 🔒 This bot serves certain people only. Please ask its owner.
maintenance = 🛠️ The bot is under maintenance and takes no messages for now. Please try again later.
delayed = ⏳ The bot's storage has a problem. Your message is safe: I will process it as soon as the storage works again. No need to send it twice.
unsupported = 🎙️ Send me a voice message and I will send you its text.

## Apologies

failed = ❌ Something went wrong. Please try again.
no-audio = ❌ The video has no audio track.
unreadable = ❌ I can't find any sound in this file. Send a voice message, audio or video.
unsupported-codec = ❌ I can't decode the sound in this file: { $codec }. Please send it as MP3, M4A or Ogg.
audio-gone = 🗑️ The recording has been deleted. Please send it again.
cancelled = 🚫 Cancelled.
cancelled-by-operator = 🚫 Cancelled by the bot's administrator. Please send the recording again later.
damaged = ❌ The file is damaged and cannot be read. Please send it again or in another format.
download-failed = ❌ The file could not be downloaded. Please send it again.
timed-out = ❌ The transcription took too long. Please send a shorter recording.

## The first words

greeting =
    👋 I turn voice messages into text.

    Send or forward me a voice message, a video note, audio or video.
    Maximum length: { $duration }
    Maximum size: { $size }

    More: /help
help =
    🎙️ What you can send: voice messages, video notes, audio, video, and files with them, forwarded ones too.
    Maximum length: { $duration }
    Maximum size: { $size }

    /language — the language of the recordings; several: /language ru uk
    /times off — leave out the times in long texts
    /queue — my recordings in the queue
    /cancel — cancel them
    /privacy — what is kept, and how long
    /mydata — what is kept about me
    /forget — erase everything about me

    👥 In a group, reply to a voice message with /transcribe or mention @{ $bot }. An administrator can have all messages transcribed: /auto on
help-doubts = Underlined: words that I am not sure of.
help-groups = 👥 Administrators of a group: /status — the state as reactions or as messages, /quiet on — nothing but texts

## Commands

languages =
    🌐 Language of the recordings: { $language }
    Choose another:
languages-automatic = 🌐 The language is detected automatically. If it is wrong, choose one:
language-set = 🌐 Language of the recordings: { $language }
language-set-several = 🌐 Languages of the recordings: { $languages }. Another one is considered only when none of these fits.
language-how =
    🌐 /language uk — one language, /language ru uk — several, /language auto — automatic detection.
    Languages: { $codes }
language-automatic = 🌐 The language is detected automatically from now on.
language-detected = detected automatically
queue-empty = 📋 You have no recordings in the queue.
queue-mine = 📋 Your recordings:
queue-waits = • { $length } — position { $position }
queue-works = • { $length } — being transcribed
cancel-nothing = 📋 Nothing to cancel: you have no recordings in the queue.
cancel-count =
    🚫 { $count ->
        [one] { $count } recording
       *[other] { $count } recordings
    } cancelled.
privacy =
    🔒 Texts are kept nowhere: not in the database, not in any log.
    { $audio }
    What is kept: your Telegram name, time, length and language of recordings, length of texts. Recordings do not leave the machine on which the bot runs.

    /mydata shows what is kept about you. /forget erases it.
privacy-audio-at-once = Recordings are deleted right after the answer.
privacy-audio-kept = Recordings are deleted { $time } after the answer: until then you can get the text in another language or as a file.
privacy-limits = After /forget, what you have used of the limits still counts until midnight (UTC), under a code of that day that does not name you.
my-data-none = 🔒 Nothing is kept about you.
my-data =
    🔒 What is kept about you:
    Name: { $name }
    Telegram ID: { $id }
    First message: { $since }
    Messages: { $requests }, answered: { $answered }, stopped early: { $stopped }
    Total length of recordings: { $audio }
    Language of the recordings: { $language }
    Recognised in recent recordings: { $recognised }

    /forget erases all of it.
my-data-invited = By an invitation since { $since }; after /forget you need a new one.
forget-ask = 🗑️ Erase everything that is kept about you? Recordings in the queue are cancelled. Only anonymous totals remain.
forgotten = 🗑️ Everything about you is erased. Only anonymous totals remain.
forgotten-soon = 🗑️ Your data is being erased: within minutes nothing about you is left. Only anonymous totals remain.
transcribe-how = 🎙️ Reply to a voice message, a video note, audio or video with this command.
auto-on = 👥 I transcribe all voice messages in this group from now on.
auto-off = 👥 I transcribe on request only from now on: reply to a message with /transcribe
auto-how = 👥 /auto on — transcribe all voice messages, /auto off — on request only
times-on = ⏱️ Texts of recordings of 45 seconds and more show the time of each paragraph.
times-off = ⏱️ Texts come without times from now on.
times-how = ⏱️ /times on — show the time of each paragraph in texts of long recordings, /times off — leave it out
status-reactions = 👀 The state is shown by a reaction on the recording from now on: 👀 while it waits, 🤷 if there is no speech.
status-messages = 👀 The state is shown in a message from now on.
status-how = 👀 /status reactions — the state as a reaction on the recording, /status messages — in a message
quiet-on = 🔕 From now on I send nothing but texts, without notifications. 🙈 on a recording means: no text for it.
quiet-off = 🔔 From now on I show the state of recordings again, and say why a text is missing.
quiet-how = 🔕 /quiet on — nothing but texts, without notifications, /quiet off — state and explanations too
admins-only = 🔒 Only administrators of the group can do that.
groups-only = 👥 This command is for groups. Here I transcribe everything anyway.
private-only = 🔒 I answer that only in a private chat, so that the group does not see it.

## For the bot's administrators

paused = ⏸️ Paused: new recordings are taken and wait. /resume continues.
draining = 🚰 New recordings are not taken, the queue is being finished. /resume returns to normal.
resumed = ▶️ Everything works.
banned = 🚫 { $id } is blocked.
unbanned = ✅ { $id } is unblocked.
ban-how = Give an ID: /ban 123456789
ban-chats = The ID of a person, a group or a channel. A banned person can still write in a group in the name of a channel: ban the channel by its own ID. Telegram does not tell the bot who writes as a channel.
banned-none = Nobody is blocked.
banned-list = 🚫 Blocked: { $count }
banned-more = … and { $count } older ones
banned-hint = To unblock: /unban ID
invite = ✉️ Send this link to the person: whoever opens it first may use the bot. It works once, for { $time }.
invite-needless = ✉️ The bot serves everyone: nobody needs an invitation. With `allowed_users` it would serve certain people only.
invitation-accepted = ✅ You have been invited: you may use the bot now.
invitation-invalid = ✉️ This invitation has been used or has expired. Please ask for a new one.
uninvited = 🚪 { $id } is no longer invited. Who is in allowed_users is served still.
invited-none = ✉️ Nobody has come by an invitation.
invited-list = ✉️ Came by an invitation: { $count }
invited-hint = To take it back: /uninvite ID
broadcast-how = Write the text after the command: /broadcast The bot is off tomorrow
broadcast-preview =
    📣 Preview. Goes to { $count ->
        [one] { $count } person
       *[other] { $count } people
    }:
broadcast-cancelled = 📣 Not sent.
broadcast-started =
    📣 Sending to { $count ->
        [one] { $count } person
       *[other] { $count } people
    }...
broadcast-done = 📣 Sent: { $sent }, not delivered: { $missed }
stats =
    📊 In the queue: { $waiting } of { $limit }
    Last 24 hours. Messages: { $requests }, people: { $people }
    Texts: { $answered }, stopped early: { $stopped }, no speech: { $nospeech }, failed: { $failed }, refused: { $rejected }
    Audio: { $audio }, wait (median): { $wait }
    Processing: { $factor } of a recording's length

## Buttons

label-cancel = ✖️ Cancel
label-stop = ⏹️ Stop and keep
label-refresh = 🔄 Refresh
label-other-language = 🌐 Other language
label-copy = 📋 Copy
label-back = ↩️ Back
label-automatic = Detect automatically
label-file = 📄 { $form }
label-erase = 🗑️ Erase everything
label-send = 📣 Send
toast-not-yours = This is somebody else's recording.
toast-admins-only = This was asked for in the name of the group or of a channel: only the group's administrators can use these buttons.
toast-over = This recording is done already.
toast-cancelling = Stopping...
toast-no-text = There is no text yet.
toast-again = Listening again...
toast-draft-gone = This draft is no longer there. Send /broadcast again.

## The menu

command-start = Start
command-help = What I can do
command-language = Language of the recordings
command-queue = My recordings in the queue
command-cancel = Cancel my recordings
command-privacy = What is kept, and how long
command-mydata = What is kept about me
command-forget = Erase everything about me
command-transcribe = Transcribe the message you reply to
command-auto = Transcribe all voice messages
command-times = Times in long texts
command-status = State as reactions or as messages
command-quiet = Nothing but texts
command-stats = How the bot is doing
command-pause = Pause the work
command-resume = Resume
command-drain = Take nothing new, finish the queue
command-invite = A link for one more person
command-uninvite = Take an invitation back
command-ban = Block a person
command-unban = Unblock a person
command-banned = The blocked ones
command-broadcast = A message to everyone

## Lengths and sizes

span-seconds = { $seconds }s
span-minutes = { $minutes }m { $seconds }s
span-minutes-whole = { $minutes }m
span-hours = { $hours }h { $minutes }m
span-hours-whole = { $hours }h
limit-minutes = { $seconds }s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
