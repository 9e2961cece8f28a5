# What the bot says, in German. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Ich lade die Datei...
queued = 📋 In der Warteschlange: Platz { $position }
queued-wait = ⏱️ Geschätzte Wartezeit: ~{ $wait }
starting = ⚙️ Ich fange an...
progress = 🔄 Abschrift [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Vergangen: { $elapsed }
progress-remaining = ⏱️ Vergangen: { $elapsed } | Noch: ~{ $remaining }

## Answers

done = ✅ Fertig!
low-confidence = ⚠️ Schlecht zu hören: Der Text kann Fehler enthalten.
missed-speech = ⚠️ Ein Teil der Sprache wurde nicht erkannt und fehlt im Text.
in-the-file = 📄 Der ganze Text steht in der Datei.
no-speech = 🤷 Keine Sprache gefunden: In der Aufnahme sind keine Wörter zu hören.

## Refusals

too-long =
    ⚠️ Höchstdauer: { $limit }
    Ihre Datei: { $actual }
too-long-unknown =
    ⚠️ Höchstdauer: { $limit }
    Ihre Datei ist länger.
too-big = ⚠️ Die Datei ist zu groß. Höchstgröße: { $limit }
queue-full = ⚠️ Die Warteschlange ist voll. Bitte versuchen Sie es in einigen Minuten noch einmal.
user-limit-seconds =
    ⚠️ Zu viele Nachrichten hintereinander. Bitte versuchen Sie es in { $count ->
        [one] { $count } Sekunde
       *[other] { $count } Sekunden
    } noch einmal.
user-limit-minutes =
    ⚠️ Zu viele Nachrichten hintereinander. Bitte versuchen Sie es in { $count ->
        [one] { $count } Minute
       *[other] { $count } Minuten
    } noch einmal.
person-full =
    ⚠️ { $count ->
        [one] { $count } Nachricht von Ihnen wartet
       *[other] { $count } Nachrichten von Ihnen warten
    } schon. Warten Sie die Antworten ab oder brechen Sie sie ab: /cancel
day-full =
    ⚠️ Das war es für heute: { $count ->
        [one] { $count } Minute
       *[other] { $count } Minuten
    } am Tag für jede Person. Bitte kommen Sie morgen wieder.
not-allowed = 🔒 Dieser Bot ist nur für bestimmte Personen da. Bitte fragen Sie seinen Besitzer.
maintenance = 🛠️ Der Bot wird gewartet und nimmt gerade keine Nachrichten an. Bitte versuchen Sie es später noch einmal.
delayed = ⏳ Der Speicher des Bots ist gerade gestört: Ihre Nachricht geht nicht verloren und wird gehört, sobald er wieder funktioniert; Sie brauchen sie nicht noch einmal zu schicken.
unsupported = 🎙️ Schicken Sie mir eine Sprachnachricht, und ich schicke Ihnen ihren Text.

## Apologies

failed = ❌ Etwas ist schiefgegangen. Bitte versuchen Sie es noch einmal.
no-audio = ❌ Das Video hat keine Tonspur.
unreadable = ❌ In dieser Datei ist kein Ton, den ich lesen kann. Sprachnachrichten, Audio und Video gehen.
audio-gone = 🗑️ Die Aufnahme ist schon gelöscht. Bitte schicken Sie sie noch einmal.
cancelled = 🚫 Abgebrochen.
cancelled-by-operator = 🚫 Vom Verwalter des Bots abgebrochen. Bitte schicken Sie die Aufnahme später noch einmal.
damaged = ❌ Die Datei ist nicht lesbar: Sie ist beschädigt oder hat ein unbekanntes Format.
download-failed = ❌ Die Datei konnte nicht geladen werden. Bitte schicken Sie sie noch einmal.
timed-out = ❌ Die Abschrift hat zu lange gedauert. Bitte schicken Sie eine kürzere Aufnahme.

## The first words

greeting =
    👋 Ich mache aus Sprachnachrichten Text.

    Schicken oder leiten Sie mir eine Sprachnachricht, eine Videonachricht, Audio oder Video weiter.
    Höchstdauer: { $duration }
    Höchstgröße: { $size }

    /help sagt den Rest.
help =
    🎙️ Was Sie schicken können: Sprachnachrichten, Videonachrichten, Audio, Video und Dateien damit, auch weitergeleitete.
    Höchstdauer: { $duration }
    Höchstgröße: { $size }

    /language — Sprache der Aufnahmen
    /queue — meine Aufnahmen in der Warteschlange
    /cancel — sie abbrechen
    /privacy — was gespeichert wird und wie lange
    /mydata — was über mich gespeichert ist
    /forget — alles über mich löschen

    👥 Antworten Sie in einer Gruppe mit /transcribe auf eine Sprachnachricht oder erwähnen Sie @{ $bot }. Ein Administrator kann alle Nachrichten abschreiben lassen: /auto on

## Commands

languages =
    🌐 Sprache der Aufnahmen: { $language }
    Wählen Sie eine andere:
languages-automatic =
    🌐 Die Sprache der Aufnahmen wird erkannt.
    Wird sie falsch geraten, wählen Sie sie:
language-set = 🌐 Sprache der Aufnahmen: { $language }
language-automatic = 🌐 Die Sprache der Aufnahmen wird ab jetzt erkannt.
queue-empty = 📋 Sie haben keine Aufnahmen in der Warteschlange.
queue-mine = 📋 Ihre Aufnahmen:
queue-waits = • { $length } — Platz { $position }
queue-works = • { $length } — in Arbeit
cancel-nothing = 📋 Nichts abzubrechen: Sie haben keine Aufnahmen in der Warteschlange.
cancel-count =
    🚫 { $count ->
        [one] { $count } Aufnahme
       *[other] { $count } Aufnahmen
    } abgebrochen.
privacy =
    🔒 Texte werden nirgends gespeichert: nicht in der Datenbank, nicht in Protokollen.
    { $audio }
    Gespeichert werden: Ihr Name bei Telegram, Zeit und Dauer der Aufnahmen, Länge der Texte. Aufnahmen verlassen den Rechner nicht, auf dem der Bot läuft.

    /mydata zeigt, was über Sie gespeichert ist. /forget löscht es.
privacy-audio-at-once = Aufnahmen werden gleich nach der Antwort gelöscht.
privacy-audio-kept = Aufnahmen werden { $time } nach der Antwort gelöscht: Bis dahin kann man sie in einer anderen Sprache hören lassen oder als Datei bekommen.
my-data-none = 🔒 Über Sie ist nichts gespeichert.
my-data =
    🔒 Was über Sie gespeichert ist:
    Name: { $name }
    Nummer bei Telegram: { $id }
    Erste Nachricht: { $since }
    Nachrichten: { $requests }, beantwortet: { $answered }
    Aufnahmen insgesamt: { $audio }
    Sprache der Aufnahmen: { $language }

    /forget löscht all das.
forget-ask = 🗑️ Alles löschen, was über Sie gespeichert ist? Aufnahmen in der Warteschlange werden abgebrochen. Es bleiben nur Zahlen, an denen Sie niemand erkennt.
forgotten =
    🗑️ Alles über Sie ist gelöscht. { $count ->
        [one] { $count } namenlose Zahl bleibt
       *[other] { $count } namenlose Zahlen bleiben
    } in den Summen.
transcribe-how = 🎙️ Antworten Sie mit diesem Befehl auf eine Sprachnachricht, eine Videonachricht, Audio oder Video.
auto-on = 👥 Ab jetzt schreibe ich alle Sprachnachrichten in dieser Gruppe ab.
auto-off = 👥 Ab jetzt schreibe ich nur auf Wunsch ab: Antworten Sie auf eine Nachricht mit /transcribe
auto-how = 👥 /auto on — alle Sprachnachrichten abschreiben, /auto off — nur auf Wunsch
admins-only = 🔒 Das können nur die Administratoren der Gruppe.
groups-only = 👥 Dieser Befehl ist für Gruppen. Hier schreibe ich ohnehin alles ab.

## For the bot's administrators

paused = ⏸️ Pause: Neue Aufnahmen werden angenommen und warten. /resume macht weiter.
draining = 🚰 Neue Aufnahmen werden nicht angenommen, die Warteschlange wird abgearbeitet. /resume stellt alles wieder her.
resumed = ▶️ Alles läuft.
banned = 🚫 { $id } wird nicht mehr bedient.
unbanned = ✅ { $id } wird wieder bedient.
ban-how = Geben Sie eine Nummer an: /ban 123456789
broadcast-how = Schreiben Sie den Text hinter den Befehl: /broadcast Morgen ist der Bot aus
broadcast-started =
    📣 Geht an { $count ->
        [one] { $count } Person
       *[other] { $count } Personen
    }...
broadcast-done = 📣 Gesendet: { $sent }, nicht erreicht: { $missed }
stats =
    📊 In der Warteschlange: { $waiting } von { $limit }
    In 24 Stunden: { $requests } Nachrichten von { $people } Personen
    Texte: { $answered }, ohne Sprache: { $nospeech }, gescheitert: { $failed }, abgelehnt: { $rejected }
    Ton: { $audio }, Wartezeit (Median): { $wait }
    Verarbeitung: { $factor } der Dauer einer Aufnahme

## Buttons

label-cancel = ✖️ Abbrechen
label-other-language = 🌐 Andere Sprache
label-back = ↩️ Zurück
label-automatic = Automatisch erkennen
label-file = 📄 { $form }
label-erase = 🗑️ Alles löschen
toast-not-yours = Das ist die Aufnahme von jemand anderem.
toast-over = Diese Aufnahme ist schon fertig.
toast-cancelling = Ich halte an...
toast-again = Ich höre noch einmal zu...

## The menu

command-start = Anfangen
command-help = Was ich kann
command-language = Sprache der Aufnahmen
command-queue = Meine Aufnahmen in der Warteschlange
command-cancel = Meine Aufnahmen abbrechen
command-privacy = Was gespeichert wird und wie lange
command-mydata = Was über mich gespeichert ist
command-forget = Alles über mich löschen
command-transcribe = Die Nachricht abschreiben, auf die Sie antworten
command-auto = Alle Sprachnachrichten abschreiben
command-stats = Wie es dem Bot geht
command-pause = Arbeit anhalten
command-resume = Weitermachen
command-drain = Nichts Neues annehmen, Warteschlange abarbeiten
command-ban = Jemanden nicht mehr bedienen
command-unban = Jemanden wieder bedienen
command-broadcast = Eine Nachricht an alle

## Lengths and sizes

span-seconds = { $seconds } s
span-minutes = { $minutes } min { $seconds } s
span-hours = { $hours } h { $minutes } min
limit-minutes = { $seconds } s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
