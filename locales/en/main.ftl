# What the bot says, in English. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Downloading the file...
queued = 📋 In the queue: position { $position }
queued-wait = ⏱️ Estimated wait: ~{ $wait }
starting = ⚙️ Starting...
progress = 🔄 Transcribing [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Elapsed: { $elapsed }
progress-remaining = ⏱️ Elapsed: { $elapsed } | Remaining: ~{ $remaining }

## Answers

done = ✅ Done!
no-speech = 🤷 No speech found: there are no words to hear in the recording.

## Refusals

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
unsupported = 🎙️ Send me a voice message and I will send you its text.

## Apologies

failed = ❌ Something went wrong. Please try again.
no-audio = ❌ The video has no audio track.
damaged = ❌ The file cannot be read: it is damaged or in an unknown format.
download-failed = ❌ The file could not be downloaded. Please send it again.
timed-out = ❌ The transcription took too long. Please send a shorter recording.

## The first words

greeting =
    👋 I turn voice messages into text.

    Send or forward me a voice message or an audio file.
    Maximum length: { $duration }
    Maximum size: { $size }

## Lengths and sizes

span-seconds = { $seconds }s
span-minutes = { $minutes }m { $seconds }s
span-hours = { $hours }h { $minutes }m
limit-minutes = { $seconds }s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
