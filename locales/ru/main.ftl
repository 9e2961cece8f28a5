# What the bot says, in Russian. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Загружаю файл...
queued = 📋 В очереди: позиция { $position }
queued-wait = ⏱️ Примерное время ожидания: ~{ $wait }
starting = ⚙️ Начинаю обработку...
progress = 🔄 Обработка [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Прошло: { $elapsed }
progress-remaining = ⏱️ Прошло: { $elapsed } | Осталось: ~{ $remaining }

## Answers

done = ✅ Готово!
no-speech = 🤷 Речь не распознана: в записи не слышно слов.

## Refusals

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
       *[many] { $count } секунд
    }.
user-limit-minutes =
    ⚠️ Слишком много сообщений подряд. Пожалуйста, попробуйте через { $count ->
        [one] { $count } минуту
        [few] { $count } минуты
       *[many] { $count } минут
    }.
unsupported = 🎙️ Отправьте мне голосовое сообщение, и я пришлю его текст.

## Apologies

failed = ❌ Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз.
no-audio = ❌ Видео не содержит аудиодорожки.
damaged = ❌ Не удалось прочитать файл: он поврежден или имеет незнакомый формат.
download-failed = ❌ Не удалось загрузить файл. Пожалуйста, отправьте его еще раз.
timed-out = ❌ Обработка заняла слишком много времени. Пожалуйста, отправьте запись короче.

## The first words

greeting =
    👋 Я превращаю голосовые сообщения в текст.

    Отправьте или перешлите мне голосовое сообщение или аудиофайл.
    Максимальная длительность: { $duration }
    Максимальный размер: { $size }

## Lengths and sizes

span-seconds = { $seconds }с
span-minutes = { $minutes }м { $seconds }с
span-hours = { $hours }ч { $minutes }м
limit-minutes = { $seconds }с ({ $minutes } мин)
size-kib = { $count } КБ
size-mib = { $count } МБ
