# What the bot says, in Russian. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Загружаю файл...
queued = 📋 В очереди: позиция { $position }
queued-wait = ⏱️ Примерное время ожидания: ~{ $wait }
queued-paused = ⏸️ Бот на паузе: ваше сообщение сохранено и будет обработано позже, отправлять его еще раз не нужно.
starting = ⚙️ Начинаю обработку...
progress = 🔄 Обработка [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Прошло: { $elapsed }
progress-remaining = ⏱️ Прошло: { $elapsed } | Осталось: ~{ $remaining }

## Answers

done = ✅ Готово!
low-confidence = ⚠️ Слышно плохо: в тексте могут быть ошибки.
in-the-file = 📄 Полный текст в файле.
no-speech = 🤷 Речь не распознана: в записи не слышно слов.

## Refusals

request-number = Запрос № { $number }
refused-others =
    { $count ->
        [one] Не принято еще { $count } сообщение.
        [few] Не принято еще { $count } сообщения.
        [many] Не принято еще { $count } сообщений.
       *[other] Не принято еще { $count } сообщения.
    }
too-long =
    ⚠️ Максимальная длительность: { $limit }
    Ваш файл: { $actual }
too-long-unknown =
    ⚠️ Максимальная длительность: { $limit }
    Ваш файл длиннее.
too-big = ⚠️ Файл слишком большой. Максимальный размер: { $limit }
queue-full = ⚠️ Очередь переполнена. Пожалуйста, попробуйте через несколько минут.
user-limit-seconds =
    ⚠️ Слишком много сообщений подряд. Пожалуйста, попробуйте через { $count ->
        [one] { $count } секунду
        [few] { $count } секунды
        [many] { $count } секунд
       *[other] { $count } секунды
    }.
user-limit-minutes =
    ⚠️ Слишком много сообщений подряд. Пожалуйста, попробуйте через { $count ->
        [one] { $count } минуту
        [few] { $count } минуты
        [many] { $count } минут
       *[other] { $count } минуты
    }.
person-full =
    ⚠️ Уже { $count ->
        [one] { $count } ваше сообщение ждет
        [few] { $count } ваших сообщения ждут
        [many] { $count } ваших сообщений ждут
       *[other] { $count } вашего сообщения ждут
    } своей очереди. Дождитесь ответов или отмените все: /cancel
day-full =
    ⚠️ Дневной лимит исчерпан: { $count ->
        [one] { $count } минута
        [few] { $count } минуты
        [many] { $count } минут
       *[other] { $count } минуты
    } записей на человека. Возвращайтесь завтра.
not-allowed = 🔒 Этот бот работает только для своих. Обратитесь к его владельцу.
maintenance = 🛠️ Бот на обслуживании и пока не принимает сообщения. Пожалуйста, попробуйте позже.
delayed = ⏳ У бота временные неполадки с хранилищем. Сообщение не потеряется и будет обработано, когда хранилище заработает. Отправлять его еще раз не нужно.
unsupported = 🎙️ Отправьте мне голосовое сообщение, и я пришлю его текст.

## Apologies

failed = ❌ Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз.
no-audio = ❌ Видео не содержит аудиодорожки.
unreadable = ❌ Не нахожу в этом файле звука. Подойдут голосовые сообщения, аудио и видео.
unsupported-codec = ❌ Не умею читать звук в таком формате: { $codec }. Отправьте запись в MP3, M4A или Ogg.
audio-gone = 🗑️ Запись уже удалена. Отправьте ее еще раз.
cancelled = 🚫 Отменено.
cancelled-by-operator = 🚫 Отменено администратором бота. Пожалуйста, отправьте запись еще раз позже.
damaged = ❌ Файл поврежден, прочитать его не удалось. Отправьте его еще раз или в другом формате.
download-failed = ❌ Не удалось загрузить файл. Пожалуйста, отправьте его еще раз.
timed-out = ❌ Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.

## The first words

greeting =
    👋 Я превращаю голосовые сообщения в текст.

    Отправьте или перешлите мне голосовое сообщение, кружок, аудио или видео.
    Максимальная длительность: { $duration }
    Максимальный размер: { $size }

    Подробнее: /help
help =
    🎙️ Что можно прислать: голосовые сообщения, кружки, аудио, видео и файлы с ними, в том числе пересланные.
    Максимальная длительность: { $duration }
    Максимальный размер: { $size }

    /language — на каком языке говорят в записях
    /queue — мои записи в очереди
    /cancel — отменить их
    /privacy — что хранится и как долго
    /mydata — что хранится обо мне
    /forget — удалить все обо мне

    👥 В группе ответьте на голосовое сообщение командой /transcribe или упомяните @{ $bot }. Администратор может включить расшифровку всех сообщений: /auto on

## Commands

languages =
    🌐 Язык записей: { $language }
    Выберите другой:
languages-automatic = 🌐 Язык записей определяется автоматически. Если он определен неверно, выберите нужный:
language-set = 🌐 Язык записей: { $language }
language-automatic = 🌐 Язык записей теперь определяется автоматически.
language-detected = определяется автоматически
queue-empty = 📋 Ваших записей в очереди нет.
queue-mine = 📋 Ваши записи:
queue-waits = • { $length } — позиция { $position }
queue-works = • { $length } — в работе
cancel-nothing = 📋 Отменять нечего: ваших записей в очереди нет.
cancel-count =
    🚫 { $count ->
        [one] Отменена { $count } запись
        [few] Отменены { $count } записи
        [many] Отменено { $count } записей
       *[other] Отменено { $count } записи
    }.
privacy =
    🔒 Тексты не хранятся нигде: ни в базе данных, ни в журналах.
    { $audio }
    Хранятся: ваше имя в Telegram, время и длительность записей, длина текстов. Записи не покидают машину, на которой работает бот.

    /mydata покажет, что хранится о вас. /forget удалит это.
privacy-audio-at-once = Записи удаляются сразу после ответа.
privacy-audio-kept = Записи удаляются через { $time } после ответа: до этого можно получить текст на другом языке или файлом.
my-data-none = 🔒 О вас ничего не хранится.
my-data =
    🔒 Что хранится о вас:
    Имя: { $name }
    Telegram ID: { $id }
    Первое сообщение: { $since }
    Сообщений: { $requests }, с ответом: { $answered }
    Длительность всех записей: { $audio }
    Язык записей: { $language }

    /forget удалит все это.
forget-ask = 🗑️ Удалить все, что хранится о вас? Записи в очереди будут отменены. Останется только обезличенная статистика.
forgotten = 🗑️ Все о вас удалено. Осталась только обезличенная статистика.
transcribe-how = 🎙️ Ответьте этой командой на голосовое сообщение, кружок, аудио или видео.
auto-on = 👥 Теперь я расшифровываю все голосовые сообщения в этой группе.
auto-off = 👥 Теперь я расшифровываю только по просьбе: ответьте на сообщение командой /transcribe
auto-how = 👥 /auto on — расшифровывать все голосовые сообщения, /auto off — только по просьбе
admins-only = 🔒 Это могут только администраторы группы.
groups-only = 👥 Эта команда для групп. Здесь я и так расшифровываю все.

## For the bot's administrators

paused = ⏸️ Пауза: новые записи принимаются и ждут. /resume продолжит.
draining = 🚰 Новые записи не принимаются, очередь дорабатывается. /resume вернет все как было.
resumed = ▶️ Все работает.
banned = 🚫 Пользователь { $id } заблокирован.
unbanned = ✅ Пользователь { $id } разблокирован.
ban-how = Укажите ID: /ban 123456789
broadcast-how = Напишите текст после команды: /broadcast Завтра бот не работает
broadcast-preview =
    📣 Предпросмотр. Получат { $count ->
        [one] { $count } человек
        [few] { $count } человека
       *[other] { $count } человек
    }:
broadcast-cancelled = 📣 Не отправлено.
broadcast-started =
    📣 Отправляю { $count ->
        [one] { $count } человеку
        [few] { $count } людям
        [many] { $count } людям
       *[other] { $count } людям
    }...
broadcast-done = 📣 Отправлено: { $sent }, не доставлено: { $missed }
stats =
    📊 В очереди: { $waiting } из { $limit }
    За сутки: сообщений — { $requests }, людей — { $people }
    Тексты: { $answered }, без речи: { $nospeech }, ошибки: { $failed }, отказы: { $rejected }
    Аудио: { $audio }, ожидание (медиана): { $wait }
    Обработка: { $factor } от длительности записи

## Buttons

label-cancel = ✖️ Отменить
label-other-language = 🌐 Другой язык
label-back = ↩️ Назад
label-automatic = Определять автоматически
label-file = 📄 { $form }
label-erase = 🗑️ Удалить все
label-send = 📣 Отправить
toast-not-yours = Это чужая запись.
toast-admins-only = Расшифровка запрошена от имени группы или канала: эти кнопки доступны только администраторам группы.
toast-over = Эта запись уже обработана.
toast-cancelling = Останавливаю...
toast-again = Слушаю еще раз...
toast-draft-gone = Этого черновика больше нет. Отправьте /broadcast еще раз.

## The menu

command-start = Начать
command-help = Что я умею
command-language = Язык записей
command-queue = Мои записи в очереди
command-cancel = Отменить мои записи
command-privacy = Что хранится и как долго
command-mydata = Что хранится обо мне
command-forget = Удалить все обо мне
command-transcribe = Расшифровать сообщение, на которое вы отвечаете
command-auto = Расшифровывать все голосовые сообщения
command-stats = Статистика бота
command-pause = Приостановить обработку
command-resume = Продолжить
command-drain = Не принимать новое, доработать очередь
command-ban = Заблокировать пользователя
command-unban = Разблокировать пользователя
command-broadcast = Сообщение всем

## Lengths and sizes

span-seconds = { $seconds }с
span-minutes = { $minutes }м { $seconds }с
span-minutes-whole = { $minutes }м
span-hours = { $hours }ч { $minutes }м
span-hours-whole = { $hours }ч
limit-minutes = { $seconds }с ({ $minutes } мин)
size-kib = { $count } КБ
size-mib = { $count } МБ
