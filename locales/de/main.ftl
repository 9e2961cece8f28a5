# What the bot says, in German. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Ich lade die Datei herunter...
queued = 📋 In der Warteschlange: Platz { $position }
queued-about = 📋 In der Warteschlange: etwa Platz { $position }
queued-wait = ⏱️ Geschätzte Wartezeit: ~{ $wait }
queued-paused = ⏸️ Der Bot macht gerade Pause: Ihre Nachricht ist gespeichert und wird später abgeschrieben; Sie brauchen sie nicht noch einmal zu schicken.
starting = ⚙️ Ich fange an...
progress = 🔄 Transkription [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Vergangen: { $elapsed }
progress-remaining = ⏱️ Vergangen: { $elapsed } | Noch: ~{ $remaining }

## Answers

done = ✅ Fertig!
stopped = ⏹️ Gestoppt bei { $time } von { $length }
answer-language = 🌐 Sprache: { $language }
low-confidence = ⚠️ Schlecht zu hören: Der Text kann Fehler enthalten.
missed-speech = ⚠️ Ein Teil der Sprache wurde nicht erkannt und fehlt im Text.
in-the-file = 📄 Der ganze Text steht in der Datei.
no-speech = 🤷 Keine Sprache gefunden: In der Aufnahme sind keine Wörter zu hören.

## The user's own account

business-heading = 👤 { $name } · { $time }
business-heading-unnamed = 👤 { $time }
business-connected = 🔗 Mit deinem Konto verbunden. Wenn du eine Sprachnachricht, eine Videonachricht oder Audio bekommst, schicke ich den Text hierher. Die andere Seite merkt davon nichts.
business-refused = 🔒 Ich bin mit deinem Konto verbunden, aber dieser Bot ist nur für bestimmte Personen da: Ich lese und speichere nichts. Bitte entferne mich in den Einstellungen von Telegram.
help-business = 🔗 Verbinde mich in den Einstellungen von Telegram mit deinem eigenen Konto, und ich schreibe hier auf, was andere dir schicken.
privacy-business = 🔗 Von Aufnahmen, die du auf deinem eigenen Konto bekommst, wird der Name des Absenders gespeichert, bis der Text verschickt ist, und sonst nichts, was ihn benennt. Wird eine Nachricht dort gelöscht, werden Aufnahme und Text auch hier gelöscht.
my-data-business = 🔗 Ich bin mit deinem eigenen Konto verbunden.

## Als Gast gerufen, in einem Chat ohne den Bot

guest-usage = 🎙️ Ruf mich als Antwort auf eine Sprachnachricht, eine Videonachricht oder eine Audiodatei: Schreib dort @{ $bot }, und ich antworte mit dem Text.
guest-over = ⌛ Diese Anfrage ist beendet. Steht der Text nicht im privaten Chat mit mir, ruf mich noch einmal als Antwort auf die Aufnahme.
guest-rest = 📄 Der Rest steht im privaten Chat mit mir.
guest-rest-lost = 📄 Der Text ist länger. Beginne einen privaten Chat mit mir und ruf mich noch einmal: Dann kommt der Rest dorthin.
help-guest = 💬 Antworte in einem beliebigen anderen Chat mit @{ $bot } auf eine Aufnahme, und ich schreibe den Text dorthin.
privacy-guest = 💬 Von einem Chat, in den du mich rufst, ohne mich hinzuzufügen, wird nur die Nummer meiner Antwort gespeichert.

## Refusals

request-number = Anfrage Nr. { $number }
refused-others =
    { $count ->
        [one] { $count } weitere Nachricht wurde nicht angenommen.
       *[other] { $count } weitere Nachrichten wurden nicht angenommen.
    }
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
    } schon. Warten Sie auf die Antworten oder brechen Sie alles ab: /cancel
day-full =
    ⚠️ Tageslimit erreicht: { $count ->
        [one] { $count } Minute
       *[other] { $count } Minuten
    } Audio pro Person. Bitte kommen Sie morgen wieder.
not-allowed = 🔒 Dieser Bot ist nur für bestimmte Personen da. Bitte fragen Sie seinen Besitzer.
maintenance = 🛠️ Der Bot wird gewartet und nimmt gerade keine Nachrichten an. Bitte versuchen Sie es später noch einmal.
delayed = ⏳ Der Speicher des Bots ist gerade gestört. Ihre Nachricht geht nicht verloren und wird verarbeitet, sobald er wieder funktioniert. Sie brauchen sie nicht noch einmal zu schicken.
unsupported = 🎙️ Schicken Sie mir eine Sprachnachricht, und Sie bekommen den Text.

## Apologies

failed = ❌ Etwas ist schiefgegangen. Bitte versuchen Sie es noch einmal.
no-audio = ❌ Das Video hat keine Tonspur.
unreadable = ❌ In dieser Datei finde ich keinen Ton. Schicken Sie eine Sprachnachricht, Audio oder Video.
unsupported-codec = ❌ Ton in diesem Format kann ich nicht lesen: { $codec }. Bitte schicken Sie die Aufnahme als MP3, M4A oder Ogg.
audio-gone = 🗑️ Die Aufnahme ist schon gelöscht. Bitte schicken Sie sie noch einmal.
cancelled = 🚫 Abgebrochen.
cancelled-by-operator = 🚫 Vom Administrator des Bots abgebrochen. Bitte schicken Sie die Aufnahme später noch einmal.
damaged = ❌ Die Datei ist beschädigt und lässt sich nicht lesen. Bitte schicken Sie sie noch einmal oder in einem anderen Format.
download-failed = ❌ Die Datei konnte nicht heruntergeladen werden. Bitte schicken Sie sie noch einmal.
timed-out = ❌ Die Transkription hat zu lange gedauert. Bitte schicken Sie eine kürzere Aufnahme.

## The first words

greeting =
    👋 Ich mache aus Sprachnachrichten Text.

    Schicken Sie mir eine Sprachnachricht, eine Videonachricht, Audio oder Video, oder leiten Sie sie an mich weiter.
    Höchstdauer: { $duration }
    Höchstgröße: { $size }

    Mehr: /help
help =
    🎙️ Was Sie schicken können: Sprachnachrichten, Videonachrichten, Audio, Video und Dateien damit, auch weitergeleitete.
    Höchstdauer: { $duration }
    Höchstgröße: { $size }

    /language — Sprache der Aufnahmen; mehrere: /language de en
    /times off — Zeitangaben in langen Texten weglassen
    /queue — meine Aufnahmen in der Warteschlange
    /cancel — sie abbrechen
    /privacy — was gespeichert wird und wie lange
    /mydata — was über mich gespeichert ist
    /forget — alles über mich löschen

    👥 Antworten Sie in einer Gruppe mit /transcribe auf eine Sprachnachricht oder erwähnen Sie @{ $bot }. Ein Administrator kann alle Nachrichten transkribieren lassen: /auto on
help-doubts = Unterstrichen: Wörter, bei denen ich nicht sicher bin.
help-groups = 👥 Für Gruppenadministratoren: /status — Stand als Reaktion oder als Nachricht, /quiet on — nur Texte

## Commands

languages =
    🌐 Sprache der Aufnahmen: { $language }
    Wählen Sie eine andere:
languages-automatic = 🌐 Die Sprache der Aufnahmen wird automatisch erkannt. Falls das nicht gelingt, wählen Sie sie:
language-set = 🌐 Sprache der Aufnahmen: { $language }
language-set-several = 🌐 Sprachen der Aufnahmen: { $languages }. Eine andere kommt nur in Frage, wenn keine davon passt.
language-how =
    🌐 /language de — eine Sprache, /language de en — mehrere, /language auto — automatische Erkennung.
    Sprachen: { $codes }
language-automatic = 🌐 Die Sprache der Aufnahmen wird ab jetzt automatisch erkannt.
language-detected = wird automatisch erkannt
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
    🔒 Texte werden nirgends gespeichert: weder in der Datenbank noch in Protokollen.
    { $audio }
    Gespeichert werden: Ihr Name bei Telegram, Zeit, Dauer und Sprache der Aufnahmen, Länge der Texte. Aufnahmen verlassen den Rechner nicht, auf dem der Bot läuft.

    /mydata zeigt, was über Sie gespeichert ist. /forget löscht es.
privacy-audio-at-once = Aufnahmen werden gleich nach der Antwort gelöscht.
privacy-audio-kept = Aufnahmen werden { $time } nach der Antwort gelöscht; bis dahin bekommen Sie den Text auch in einer anderen Sprache oder als Datei.
privacy-limits = Nach /forget zählt bis Mitternacht (UTC) weiter, was Sie von den Limits verbraucht haben: unter einem Code dieses Tages, ohne Namen und ID.
my-data-none = 🔒 Über Sie ist nichts gespeichert.
my-data =
    🔒 Was über Sie gespeichert ist:
    Name: { $name }
    Telegram-ID: { $id }
    Erste Nachricht: { $since }
    Nachrichten: { $requests }, beantwortet: { $answered }, vorzeitig gestoppt: { $stopped }
    Gesamtdauer der Aufnahmen: { $audio }
    Sprache der Aufnahmen: { $language }
    In den letzten Aufnahmen erkannt: { $recognised }

    /forget löscht all das.
my-data-invited = Eingeladen seit { $since }; nach /forget brauchen Sie eine neue Einladung.
forget-ask = 🗑️ Alles löschen, was über Sie gespeichert ist? Aufnahmen in der Warteschlange werden abgebrochen. Es bleiben nur anonyme Zahlen.
forgotten = 🗑️ Alles über Sie ist gelöscht. Es bleiben nur anonyme Zahlen.
forgotten-soon = 🗑️ Alles über Sie wird gelöscht: In wenigen Minuten ist nichts mehr davon da. Es bleiben nur anonyme Zahlen.
transcribe-how = 🎙️ Antworten Sie mit diesem Befehl auf eine Sprachnachricht, eine Videonachricht, Audio oder Video.
auto-on = 👥 Ab jetzt transkribiere ich alle Sprachnachrichten in dieser Gruppe.
auto-off = 👥 Ab jetzt transkribiere ich nur auf Wunsch: Antworten Sie auf eine Nachricht mit /transcribe
auto-how = 👥 /auto on — alle Sprachnachrichten transkribieren, /auto off — nur auf Wunsch
times-on = ⏱️ In Texten von Aufnahmen ab 45 Sekunden steht vor jedem Absatz seine Zeit.
times-off = ⏱️ Ab jetzt stehen keine Zeiten in den Texten.
times-how = ⏱️ /times on — in Texten langer Aufnahmen die Zeit jedes Absatzes nennen, /times off — weglassen
status-reactions = 👀 Den Stand zeigt ab jetzt eine Reaktion auf der Aufnahme: 👀, solange sie wartet, 🤷, wenn keine Sprache darin ist.
status-messages = 👀 Der Stand wird ab jetzt in einer Nachricht gezeigt.
status-how = 👀 /status reactions — Stand als Reaktion auf der Aufnahme, /status messages — in einer Nachricht
quiet-on = 🔕 Ab jetzt schicke ich nur noch Texte, ohne Benachrichtigung. 🙈 auf einer Aufnahme heißt: Es gibt keinen Text.
quiet-off = 🔔 Ab jetzt zeige ich wieder den Stand der Aufnahmen und sage, warum ein Text fehlt.
quiet-how = 🔕 /quiet on — nur Texte, ohne Benachrichtigung, /quiet off — auch Stand und Erklärungen
admins-only = 🔒 Das können nur die Administratoren der Gruppe.
groups-only = 👥 Dieser Befehl ist für Gruppen. Hier transkribiere ich ohnehin alles.
private-only = 🔒 Darauf antworte ich nur im privaten Chat, damit es nicht die ganze Gruppe sieht.

## For the bot's administrators

paused = ⏸️ Pause: Neue Aufnahmen werden angenommen und warten. /resume macht weiter.
draining = 🚰 Neue Aufnahmen werden nicht angenommen, die Warteschlange wird abgearbeitet. /resume stellt den Normalbetrieb wieder her.
resumed = ▶️ Alles läuft.
banned = 🚫 { $id } ist gesperrt.
unbanned = ✅ { $id } ist entsperrt.
ban-how = Geben Sie eine ID an: /ban 123456789
ban-chats = Möglich ist die ID einer Person, einer Gruppe oder eines Kanals. Eine gesperrte Person kann in einer Gruppe noch im Namen eines Kanals schreiben: Sperren Sie diesen Kanal über seine eigene ID. Telegram teilt dem Bot nicht mit, wer im Namen eines Kanals schreibt.
banned-none = Niemand ist gesperrt.
banned-list = 🚫 Gesperrt: { $count }
banned-more = … und ältere: { $count }
banned-hint = Entsperren: /unban ID
invite = ✉️ Schicken Sie diesen Link weiter: Wer ihn zuerst öffnet, darf den Bot benutzen. Er gilt einmal, { $time } lang.
invite-needless = ✉️ Der Bot steht allen offen, niemand braucht eine Einladung. Mit allowed_users wäre er nur für bestimmte Personen da.
invitation-accepted = ✅ Sie sind eingeladen und können den Bot jetzt benutzen.
invitation-invalid = ✉️ Diese Einladung wurde schon benutzt oder ist abgelaufen. Bitten Sie um eine neue.
uninvited = 🚪 { $id } ist nicht mehr eingeladen. Wer in allowed_users steht, wird weiterhin bedient.
invited-none = ✉️ Noch ist niemand über eine Einladung gekommen.
invited-list = ✉️ Über eine Einladung gekommen: { $count }
invited-hint = Zurücknehmen: /uninvite ID
broadcast-how = Schreiben Sie den Text hinter den Befehl: /broadcast Morgen ist der Bot aus
broadcast-preview =
    📣 Vorschau. Geht an { $count ->
        [one] { $count } Person
       *[other] { $count } Personen
    }:
broadcast-cancelled = 📣 Nicht gesendet.
broadcast-started =
    📣 Geht an { $count ->
        [one] { $count } Person
       *[other] { $count } Personen
    }...
broadcast-done = 📣 Gesendet: { $sent }, nicht zugestellt: { $missed }
stats =
    📊 In der Warteschlange: { $waiting } von { $limit }
    In 24 Stunden: Nachrichten { $requests }, Personen { $people }
    Texte: { $answered }, vorzeitig gestoppt: { $stopped }, ohne Sprache: { $nospeech }, gescheitert: { $failed }, abgelehnt: { $rejected }
    Audio: { $audio }, Wartezeit (Median): { $wait }
    Verarbeitung: { $factor } der Dauer einer Aufnahme

## Buttons

label-cancel = ✖️ Abbrechen
label-stop = ⏹️ Stopp, Text behalten
label-refresh = 🔄 Aktualisieren
label-other-language = 🌐 Andere Sprache
label-copy = 📋 Kopieren
label-back = ↩️ Zurück
label-automatic = Automatisch erkennen
label-file = 📄 { $form }
label-erase = 🗑️ Alles löschen
label-send = 📣 Senden
toast-not-yours = Das ist die Aufnahme von jemand anderem.
toast-admins-only = Das wurde im Namen der Gruppe oder eines Kanals angefordert: Diese Schaltflächen können nur die Administratoren der Gruppe benutzen.
toast-over = Diese Aufnahme ist schon fertig.
toast-cancelling = Wird abgebrochen...
toast-no-text = Es gibt noch keinen Text.
toast-again = Ich höre noch einmal zu...
toast-draft-gone = Diesen Entwurf gibt es nicht mehr. Schicken Sie /broadcast noch einmal.

## The menu

command-start = Starten
command-help = Was ich kann
command-language = Sprache der Aufnahmen
command-queue = Meine Aufnahmen in der Warteschlange
command-cancel = Meine Aufnahmen abbrechen
command-privacy = Was gespeichert wird und wie lange
command-mydata = Was über mich gespeichert ist
command-forget = Alles über mich löschen
command-transcribe = Die Nachricht transkribieren, auf die Sie antworten
command-auto = Alle Sprachnachrichten transkribieren
command-times = Zeiten in langen Texten
command-status = Stand als Reaktion oder Nachricht
command-quiet = Nur Texte
command-stats = Statistik
command-pause = Arbeit anhalten
command-resume = Fortsetzen
command-drain = Nichts Neues annehmen, Warteschlange abarbeiten
command-invite = Link für eine weitere Person
command-uninvite = Einladung zurücknehmen
command-ban = Eine Person sperren
command-unban = Eine Person entsperren
command-banned = Liste der Gesperrten
command-broadcast = Eine Nachricht an alle

## Lengths and sizes

span-seconds = { $seconds } s
span-minutes = { $minutes } min { $seconds } s
span-minutes-whole = { $minutes } min
span-hours = { $hours } h { $minutes } min
span-hours-whole = { $hours } h
limit-minutes = { $seconds } s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
