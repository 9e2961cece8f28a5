# What the bot says, in Spanish. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Descargando el archivo...
queued = 📋 En la cola: puesto { $position }
queued-about = 📋 En la cola: puesto { $position } aproximadamente
queued-wait = ⏱️ Espera estimada: ~{ $wait }
queued-paused = ⏸️ El bot está en pausa: su mensaje está guardado y se transcribirá más tarde, no hace falta enviarlo otra vez.
starting = ⚙️ Empezando...
progress = 🔄 Transcribiendo [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Transcurrido: { $elapsed }
progress-remaining = ⏱️ Transcurrido: { $elapsed } | Restante: ~{ $remaining }

## Answers

done = ✅ ¡Listo!
stopped = ⏹️ Detenido en { $time } de { $length }
answer-language = 🌐 Idioma: { $language }
low-confidence = ⚠️ Se oye mal: el texto puede tener errores.
missed-speech = ⚠️ No se pudo reconocer una parte del habla: falta en el texto.
in-the-file = 📄 El texto completo está en el archivo.
no-speech = 🤷 No se encontró voz: en la grabación no se oyen palabras.

## The user's own account

business-heading = 👤 { $name } · { $time }
business-heading-unnamed = 👤 { $time }
business-connected = 🔗 Conectado a tu cuenta. Cuando recibas un mensaje de voz, un videomensaje o un audio, te enviaré el texto aquí. La otra persona no nota nada.
business-refused = 🔒 Estoy conectado a tu cuenta, pero este bot solo atiende a ciertas personas: no leo ni guardo nada. Por favor, desconéctame en los ajustes de Telegram.
help-business = 🔗 Conéctame a tu propia cuenta en los ajustes de Telegram y transcribiré aquí lo que te envíen.
privacy-business = 🔗 De las grabaciones que recibes en tu propia cuenta se guarda el nombre del remitente hasta que se envía el texto, y nada más que lo identifique. Si el mensaje se borra allí, la grabación y el texto se borran también aquí.
my-data-business = 🔗 Estoy conectado a tu propia cuenta.

## Llamado como invitado, en un chat sin el bot

guest-usage = 🎙️ Llámame en respuesta a un mensaje de voz, un videomensaje o un audio: escribe allí @{ $bot } y responderé con el texto.
guest-over = ⌛ Esta solicitud ha terminado. Si el texto no está en tu chat privado conmigo, llámame otra vez en respuesta a la grabación.
guest-rest = 📄 El resto está en tu chat privado conmigo.
guest-rest-lost = 📄 El texto es más largo. Inicia un chat privado conmigo y llámame otra vez: el resto llegará allí.
help-guest = 💬 En cualquier otro chat, responde a una grabación con @{ $bot } y publicaré allí el texto.
privacy-guest = 💬 De un chat al que me llamas sin añadirme solo se guarda el número de mi respuesta.

## Refusals

request-number = Solicitud n.º { $number }
refused-others =
    { $count ->
        [one] No se aceptó { $count } mensaje más.
        [many] No se aceptaron { $count } de mensajes más.
       *[other] No se aceptaron { $count } mensajes más.
    }
too-long =
    ⚠️ Duración máxima: { $limit }
    Su archivo: { $actual }
too-long-unknown =
    ⚠️ Duración máxima: { $limit }
    Su archivo es más largo.
too-big = ⚠️ El archivo es demasiado grande. Tamaño máximo: { $limit }
queue-full = ⚠️ La cola está llena. Inténtelo de nuevo en unos minutos, por favor.
user-limit-seconds =
    ⚠️ Demasiados mensajes seguidos. Inténtelo de nuevo en { $count ->
        [one] { $count } segundo
        [many] { $count } de segundos
       *[other] { $count } segundos
    }, por favor.
user-limit-minutes =
    ⚠️ Demasiados mensajes seguidos. Inténtelo de nuevo en { $count ->
        [one] { $count } minuto
        [many] { $count } de minutos
       *[other] { $count } minutos
    }, por favor.
person-full =
    ⚠️ Ya { $count ->
        [one] espera { $count } mensaje suyo
        [many] esperan { $count } de mensajes suyos
       *[other] esperan { $count } mensajes suyos
    }. Espere las respuestas o cancele todo: /cancel
day-full =
    ⚠️ Límite diario alcanzado: { $count ->
        [one] { $count } minuto
        [many] { $count } de minutos
       *[other] { $count } minutos
    } de audio por persona. Vuelva mañana, por favor.
not-allowed = 🔒 Este bot atiende solo a ciertas personas. Pregunte a su dueño.
maintenance = 🛠️ El bot está en mantenimiento y por ahora no recibe mensajes. Inténtelo más tarde, por favor.
delayed = ⏳ El almacenamiento del bot tiene un problema. Su mensaje está a salvo y se procesará en cuanto vuelva a funcionar. No hace falta enviarlo otra vez.
unsupported = 🎙️ Envíeme un mensaje de voz y le enviaré su texto.

## Apologies

failed = ❌ Algo salió mal. Inténtelo de nuevo, por favor.
no-audio = ❌ El vídeo no tiene pista de audio.
unreadable = ❌ No encuentro audio en este archivo. Envíe un mensaje de voz, audio o vídeo.
unsupported-codec = ❌ No puedo leer el audio en este formato: { $codec }. Envíe la grabación en MP3, M4A u Ogg.
audio-gone = 🗑️ La grabación ya se borró. Envíela de nuevo, por favor.
cancelled = 🚫 Cancelado.
cancelled-by-operator = 🚫 Cancelado por el administrador del bot. Envíe la grabación de nuevo más tarde, por favor.
damaged = ❌ El archivo está dañado y no se puede leer. Envíelo de nuevo o en otro formato.
download-failed = ❌ No se pudo descargar el archivo. Envíelo de nuevo, por favor.
timed-out = ❌ La transcripción tardó demasiado. Envíe una grabación más corta, por favor.

## The first words

greeting =
    👋 Convierto mensajes de voz en texto.

    Envíeme o reenvíeme un mensaje de voz, un videomensaje, audio o vídeo.
    Duración máxima: { $duration }
    Tamaño máximo: { $size }

    Más información: /help
help =
    🎙️ Qué puede enviar: mensajes de voz, videomensajes, audio, vídeo y archivos con ellos, también reenviados.
    Duración máxima: { $duration }
    Tamaño máximo: { $size }

    /language — el idioma de las grabaciones; varios: /language es en
    /times off — quitar los tiempos de los textos largos
    /queue — mis grabaciones en la cola
    /cancel — cancelarlas
    /privacy — qué se guarda y cuánto tiempo
    /mydata — qué se guarda sobre mí
    /forget — borrar todo sobre mí

    👥 En un grupo, responda a un mensaje de voz con /transcribe o mencione a @{ $bot }. Un administrador puede hacer que se transcriban todos: /auto on
help-doubts = Subrayadas: las palabras de las que no estoy seguro.
help-groups = 👥 Para administradores de grupos: /status — el estado como reacción o como mensaje, /quiet on — solo textos

## Commands

languages =
    🌐 Idioma de las grabaciones: { $language }
    Elija otro:
languages-automatic = 🌐 El idioma de las grabaciones se detecta automáticamente. Si no acierta, elíjalo:
language-set = 🌐 Idioma de las grabaciones: { $language }
language-set-several = 🌐 Idiomas de las grabaciones: { $languages }. Solo se considera otro si ninguno de estos encaja.
language-how =
    🌐 /language es — un idioma, /language es en — varios, /language auto — detección automática.
    Idiomas: { $codes }
language-automatic = 🌐 Desde ahora el idioma de las grabaciones se detecta automáticamente.
language-detected = se detecta automáticamente
queue-empty = 📋 No tiene grabaciones en la cola.
queue-mine = 📋 Sus grabaciones:
queue-waits = • { $length } — puesto { $position }
queue-works = • { $length } — en curso
cancel-nothing = 📋 Nada que cancelar: no tiene grabaciones en la cola.
cancel-count =
    🚫 { $count ->
        [one] { $count } grabación cancelada
        [many] { $count } de grabaciones canceladas
       *[other] { $count } grabaciones canceladas
    }.
privacy =
    🔒 Los textos no se guardan en ningún sitio: ni en la base de datos ni en los registros.
    { $audio }
    Se guardan: su nombre de Telegram, la hora, la duración y el idioma de las grabaciones y la longitud de los textos. Las grabaciones no salen de la máquina en la que funciona el bot.

    /mydata muestra qué se guarda sobre usted. /forget lo borra.
privacy-audio-at-once = Las grabaciones se borran justo después de la respuesta.
privacy-audio-kept = Las grabaciones se borran { $time } después de la respuesta: hasta entonces puede pedir el texto en otro idioma o como archivo.
privacy-limits = Después de /forget, lo que ya ha gastado de los límites sigue contando hasta la medianoche (UTC): con un código de ese día, sin su nombre ni su ID.
my-data-none = 🔒 No se guarda nada sobre usted.
my-data =
    🔒 Qué se guarda sobre usted:
    Nombre: { $name }
    ID de Telegram: { $id }
    Primer mensaje: { $since }
    Mensajes: { $requests }, con respuesta: { $answered }, detenidos antes: { $stopped }
    Duración total de las grabaciones: { $audio }
    Idioma de las grabaciones: { $language }
    Reconocidos en las últimas grabaciones: { $recognised }

    /forget borra todo esto.
my-data-invited = Con invitación desde { $since }; después de /forget necesitarás otra.
forget-ask = 🗑️ ¿Borrar todo lo que se guarda sobre usted? Las grabaciones en la cola se cancelan. Solo quedan cifras anónimas.
forgotten = 🗑️ Se ha borrado todo sobre usted. Solo quedan cifras anónimas.
forgotten-soon = 🗑️ Se está borrando todo sobre usted: en unos minutos no quedará nada. Solo quedarán cifras anónimas.
transcribe-how = 🎙️ Responda con este comando a un mensaje de voz, un videomensaje, audio o vídeo.
auto-on = 👥 Desde ahora transcribo todos los mensajes de voz de este grupo.
auto-off = 👥 Desde ahora transcribo solo a petición: responda a un mensaje con /transcribe
auto-how = 👥 /auto on — transcribir todos los mensajes de voz, /auto off — solo a petición
times-on = ⏱️ En los textos de grabaciones de 45 segundos o más, cada párrafo lleva su tiempo.
times-off = ⏱️ Desde ahora los textos llegan sin tiempos.
times-how = ⏱️ /times on — indicar el tiempo de cada párrafo en los textos largos, /times off — no indicarlo
status-reactions = 👀 A partir de ahora el estado es una reacción en la grabación: 👀 mientras espera, 🤷 si no hay voz.
status-messages = 👀 A partir de ahora el estado se muestra en un mensaje.
status-how = 👀 /status reactions — el estado como reacción en la grabación, /status messages — en un mensaje
quiet-on = 🔕 A partir de ahora solo envío textos, sin notificaciones. 🙈 en una grabación significa que no habrá texto.
quiet-off = 🔔 A partir de ahora vuelvo a mostrar el estado de las grabaciones y explico por qué falta un texto.
quiet-how = 🔕 /quiet on — solo textos, sin notificaciones, /quiet off — también el estado y las explicaciones
admins-only = 🔒 Solo los administradores del grupo pueden hacerlo.
groups-only = 👥 Este comando es para grupos. Aquí transcribo todo de todos modos.
private-only = 🔒 A eso respondo solo en un chat privado, para que no lo vea todo el grupo.

## For the bot's administrators

paused = ⏸️ En pausa: las grabaciones nuevas se reciben y esperan. /resume continúa.
draining = 🚰 No se reciben grabaciones nuevas, se termina la cola. /resume vuelve a la normalidad.
resumed = ▶️ Todo funciona.
banned = 🚫 El usuario { $id } está bloqueado.
unbanned = ✅ El usuario { $id } está desbloqueado.
ban-how = Indique un ID: /ban 123456789
ban-chats = Puede ser el ID de una persona, un grupo o un canal. Una persona bloqueada todavía puede escribir en un grupo en nombre de un canal: bloquee ese canal por su propio ID. Telegram no le dice al bot quién escribe en nombre de un canal.
banned-none = Nadie está bloqueado.
banned-list = 🚫 Bloqueados: { $count }
banned-more = … y anteriores: { $count }
banned-hint = Desbloquear: /unban ID
invite = ✉️ Envía este enlace: podrá usar el bot quien lo abra primero. Sirve una sola vez, durante { $time }.
invite-needless = ✉️ El bot atiende a todo el mundo: nadie necesita invitación. Con allowed_users atendería solo a ciertas personas.
invitation-accepted = ✅ Tienes una invitación: ya puedes usar el bot.
invitation-invalid = ✉️ Esta invitación ya se usó o ha caducado. Pide otra.
uninvited = 🚪 { $id } ya no está entre los invitados. A quien figure en allowed_users se le sigue atendiendo.
invited-none = ✉️ Nadie ha llegado todavía con una invitación.
invited-list = ✉️ Llegaron con una invitación: { $count }
invited-hint = Para retirarla: /uninvite ID
broadcast-how = Escriba el texto después del comando: /broadcast Mañana el bot no funciona
broadcast-preview =
    📣 Vista previa. Se enviará a { $count ->
        [one] { $count } persona
        [many] { $count } de personas
       *[other] { $count } personas
    }:
broadcast-cancelled = 📣 No se ha enviado.
broadcast-started =
    📣 Enviando a { $count ->
        [one] { $count } persona
        [many] { $count } de personas
       *[other] { $count } personas
    }...
broadcast-done = 📣 Enviados: { $sent }, no entregados: { $missed }
stats =
    📊 En la cola: { $waiting } de { $limit }
    En 24 horas: mensajes { $requests }, personas { $people }
    Textos: { $answered }, detenidos antes: { $stopped }, sin voz: { $nospeech }, fallidos: { $failed }, rechazados: { $rejected }
    Audio: { $audio }, espera (mediana): { $wait }
    Proceso: { $factor } de la duración de una grabación

## Buttons

label-cancel = ✖️ Cancelar
label-stop = ⏹️ Parar y conservar
label-refresh = 🔄 Actualizar
label-other-language = 🌐 Otro idioma
label-copy = 📋 Copiar
label-back = ↩️ Volver
label-automatic = Detectar automáticamente
label-file = 📄 { $form }
label-erase = 🗑️ Borrar todo
label-send = 📣 Enviar
toast-not-yours = Esta grabación es de otra persona.
toast-admins-only = Esto se pidió en nombre del grupo o de un canal: solo los administradores del grupo pueden usar estos botones.
toast-over = Esta grabación ya está terminada.
toast-cancelling = Deteniendo...
toast-no-text = Todavía no hay texto.
toast-again = Escuchando de nuevo...
toast-draft-gone = Este borrador ya no existe. Envíe /broadcast otra vez.

## The menu

command-start = Empezar
command-help = Qué sé hacer
command-language = Idioma de las grabaciones
command-queue = Mis grabaciones en la cola
command-cancel = Cancelar mis grabaciones
command-privacy = Qué se guarda y cuánto tiempo
command-mydata = Qué se guarda sobre mí
command-forget = Borrar todo sobre mí
command-transcribe = Transcribir el mensaje al que responde
command-auto = Transcribir todos los mensajes de voz
command-times = Tiempos en los textos largos
command-status = Estado como reacción o como mensaje
command-quiet = Solo textos
command-stats = Estadísticas del bot
command-pause = Pausar el trabajo
command-resume = Reanudar
command-drain = No recibir nada nuevo, terminar la cola
command-invite = Enlace para una persona más
command-uninvite = Retirar una invitación
command-ban = Bloquear a una persona
command-unban = Desbloquear a una persona
command-banned = Lista de bloqueados
command-broadcast = Un mensaje para todos

## Lengths and sizes

span-seconds = { $seconds } s
span-minutes = { $minutes } min { $seconds } s
span-minutes-whole = { $minutes } min
span-hours = { $hours } h { $minutes } min
span-hours-whole = { $hours } h
limit-minutes = { $seconds } s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
