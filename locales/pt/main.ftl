# What the bot says, in Portuguese. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Baixando o arquivo...
queued = 📋 Na fila: posição { $position }
queued-about = 📋 Na fila: posição { $position } aproximadamente
queued-wait = ⏱️ Espera estimada: ~{ $wait }
queued-paused = ⏸️ O bot está em pausa: a sua mensagem está guardada e será transcrita mais tarde, não é preciso enviá-la outra vez.
starting = ⚙️ Começando...
progress = 🔄 Transcrevendo [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Decorrido: { $elapsed }
progress-remaining = ⏱️ Decorrido: { $elapsed } | Restante: ~{ $remaining }

## Answers

done = ✅ Pronto!
stopped = ⏹️ Parada em { $time } de { $length }
answer-language = 🌐 Idioma: { $language }
low-confidence = ⚠️ Difícil de ouvir: o texto pode ter erros.
missed-speech = ⚠️ Não foi possível reconhecer uma parte da fala: ela falta no texto.
in-the-file = 📄 O texto completo está no arquivo.
no-speech = 🤷 Nenhuma fala encontrada: não se ouvem palavras na gravação.

## The user's own account

business-heading = 👤 { $name } · { $time }
business-heading-unnamed = 👤 { $time }
business-connected = 🔗 Conectado à sua conta. Quando você receber uma mensagem de voz, uma mensagem de vídeo ou um áudio, envio o texto aqui. A outra pessoa não percebe nada.
business-refused = 🔒 Estou conectado à sua conta, mas este bot só atende certas pessoas: não leio nem guardo nada. Por favor, remova-me nas configurações do Telegram.
help-business = 🔗 Conecte-me à sua própria conta nas configurações do Telegram e transcrevo aqui o que lhe enviarem.
privacy-business = 🔗 Das gravações que você recebe na sua própria conta, o nome do remetente é guardado até o texto ser enviado, e nada mais que o identifique. Se a mensagem for apagada lá, a gravação e o texto também são apagados aqui.
my-data-business = 🔗 Estou conectado à sua própria conta.

## Chamado como convidado, num chat sem o bot

guest-usage = 🎙️ Chame-me em resposta a uma mensagem de voz, uma mensagem de vídeo ou um áudio: escreva ali @{ $bot } e respondo com o texto.
guest-over = ⌛ Este pedido terminou. Se o texto não estiver no seu chat privado comigo, chame-me outra vez em resposta à gravação.
guest-rest = 📄 O resto está no seu chat privado comigo.
guest-rest-lost = 📄 O texto é mais longo. Inicie um chat privado comigo e chame-me outra vez: o resto chega lá.
help-guest = 💬 Em qualquer outro chat, responda a uma gravação com @{ $bot } e publico o texto lá.
privacy-guest = 💬 De um chat para onde você me chama sem me adicionar, só é guardado o número da minha resposta.

## Refusals

request-number = Solicitação nº { $number }
refused-others =
    { $count ->
        [one] Mais { $count } mensagem não foi aceita.
        [many] Mais { $count } de mensagens não foram aceitas.
       *[other] Mais { $count } mensagens não foram aceitas.
    }
too-long =
    ⚠️ Duração máxima: { $limit }
    Seu arquivo: { $actual }
too-long-unknown =
    ⚠️ Duração máxima: { $limit }
    Seu arquivo é mais longo.
too-big = ⚠️ O arquivo é grande demais. Tamanho máximo: { $limit }
queue-full = ⚠️ A fila está cheia. Tente de novo em alguns minutos, por favor.
user-limit-seconds =
    ⚠️ Muitas mensagens seguidas. Tente de novo em { $count ->
        [one] { $count } segundo
        [many] { $count } de segundos
       *[other] { $count } segundos
    }, por favor.
user-limit-minutes =
    ⚠️ Muitas mensagens seguidas. Tente de novo em { $count ->
        [one] { $count } minuto
        [many] { $count } de minutos
       *[other] { $count } minutos
    }, por favor.
person-full =
    ⚠️ Você já tem { $count ->
        [one] { $count } mensagem
        [many] { $count } de mensagens
       *[other] { $count } mensagens
    } na fila. Aguarde as respostas ou cancele: /cancel
day-full =
    ⚠️ Limite diário atingido: { $count ->
        [one] { $count } minuto
        [many] { $count } de minutos
       *[other] { $count } minutos
    } de áudio por pessoa. Volte amanhã, por favor.
not-allowed = 🔒 Este bot atende só algumas pessoas. Fale com o dono dele.
maintenance = 🛠️ O bot está em manutenção e por enquanto não recebe mensagens. Tente mais tarde, por favor.
delayed = ⏳ O armazenamento do bot está com um problema. Sua mensagem está a salvo e será processada assim que ele voltar a funcionar. Não é preciso enviá-la outra vez.
unsupported = 🎙️ Envie uma mensagem de voz e eu envio o texto dela.

## Apologies

failed = ❌ Algo deu errado. Tente de novo, por favor.
no-audio = ❌ O vídeo não tem faixa de áudio.
unreadable = ❌ Não encontro áudio neste arquivo. Envie uma mensagem de voz, áudio ou vídeo.
unsupported-codec = ❌ Não consigo ler áudio neste formato: { $codec }. Envie a gravação em MP3, M4A ou Ogg.
audio-gone = 🗑️ A gravação já foi apagada. Envie-a de novo, por favor.
cancelled = 🚫 Cancelado.
cancelled-by-operator = 🚫 Cancelado pelo administrador do bot. Envie a gravação de novo mais tarde, por favor.
damaged = ❌ O arquivo está danificado e não pode ser lido. Envie-o de novo ou em outro formato.
download-failed = ❌ Não foi possível baixar o arquivo. Envie-o de novo, por favor.
timed-out = ❌ A transcrição demorou demais. Envie uma gravação mais curta, por favor.

## The first words

greeting =
    👋 Eu transformo mensagens de voz em texto.

    Envie ou encaminhe uma mensagem de voz, uma mensagem de vídeo, áudio ou vídeo.
    Duração máxima: { $duration }
    Tamanho máximo: { $size }

    Mais: /help
help =
    🎙️ O que você pode enviar: mensagens de voz, mensagens de vídeo, áudio, vídeo e arquivos com eles, também encaminhados.
    Duração máxima: { $duration }
    Tamanho máximo: { $size }

    /language — o idioma das gravações; vários: /language pt en
    /times off — tirar os tempos dos textos longos
    /queue — minhas gravações na fila
    /cancel — cancelá-las
    /privacy — o que é guardado e por quanto tempo
    /mydata — o que é guardado sobre mim
    /forget — apagar tudo sobre mim

    👥 Num grupo, responda a uma mensagem de voz com /transcribe ou mencione @{ $bot }. Um administrador pode mandar transcrever todas: /auto on
help-doubts = Sublinhadas: as palavras de que não tenho certeza.
help-groups = 👥 Para administradores de grupos: /status — o estado como reação ou como mensagem, /quiet on — só textos

## Commands

languages =
    🌐 Idioma das gravações: { $language }
    Escolha outro:
languages-automatic = 🌐 O idioma das gravações é detectado automaticamente. Se estiver errado, escolha:
language-set = 🌐 Idioma das gravações: { $language }
language-set-several = 🌐 Idiomas das gravações: { $languages }. Outro só é considerado quando nenhum destes serve.
language-how =
    🌐 /language pt — um idioma, /language pt en — vários, /language auto — detecção automática.
    Idiomas: { $codes }
language-automatic = 🌐 A partir de agora o idioma das gravações é detectado automaticamente.
language-detected = é detectado automaticamente
queue-empty = 📋 Você não tem gravações na fila.
queue-mine = 📋 Suas gravações:
queue-waits = • { $length } — posição { $position }
queue-works = • { $length } — em andamento
cancel-nothing = 📋 Nada a cancelar: você não tem gravações na fila.
cancel-count =
    🚫 { $count ->
        [one] { $count } gravação cancelada
        [many] { $count } de gravações canceladas
       *[other] { $count } gravações canceladas
    }.
privacy =
    🔒 Os textos não são guardados em lugar nenhum: nem no banco de dados, nem nos logs.
    { $audio }
    São guardados: seu nome no Telegram, a hora, a duração e o idioma das gravações, o tamanho dos textos. As gravações não saem da máquina em que o bot funciona.

    /mydata mostra o que é guardado sobre você. /forget apaga.
privacy-audio-at-once = As gravações são apagadas logo depois da resposta.
privacy-audio-kept = As gravações são apagadas { $time } depois da resposta: até lá você pode pedir o texto em outro idioma ou como arquivo.
privacy-limits = Depois de /forget, o que você já usou dos limites continua contando até a meia-noite (UTC): com um código daquele dia, sem seu nome nem ID.
my-data-none = 🔒 Nada é guardado sobre você.
my-data =
    🔒 O que é guardado sobre você:
    Nome: { $name }
    ID do Telegram: { $id }
    Primeira mensagem: { $since }
    Mensagens: { $requests }, respondidas: { $answered }, paradas antes: { $stopped }
    Duração total das gravações: { $audio }
    Idioma das gravações: { $language }
    Reconhecidos nas últimas gravações: { $recognised }

    /forget apaga tudo isso.
my-data-invited = Por convite desde { $since }; depois de /forget será preciso outro.
forget-ask = 🗑️ Apagar tudo o que é guardado sobre você? As gravações na fila são canceladas. Só ficam números anônimos.
forgotten = 🗑️ Tudo sobre você foi apagado. Só ficam números anônimos.
forgotten-soon = 🗑️ Tudo sobre você está sendo apagado: em alguns minutos não restará nada. Só ficarão números anônimos.
transcribe-how = 🎙️ Responda com este comando a uma mensagem de voz, uma mensagem de vídeo, áudio ou vídeo.
auto-on = 👥 A partir de agora transcrevo todas as mensagens de voz deste grupo.
auto-off = 👥 A partir de agora transcrevo só a pedido: responda a uma mensagem com /transcribe
auto-how = 👥 /auto on — transcrever todas as mensagens de voz, /auto off — só a pedido
times-on = ⏱️ Nos textos de gravações de 45 segundos ou mais, cada parágrafo traz o seu tempo.
times-off = ⏱️ A partir de agora os textos vêm sem tempos.
times-how = ⏱️ /times on — mostrar o tempo de cada parágrafo nos textos longos, /times off — não mostrar
status-reactions = 👀 A partir de agora, o estado é uma reação na gravação: 👀 enquanto espera, 🤷 se não há fala.
status-messages = 👀 A partir de agora, o estado aparece em uma mensagem.
status-how = 👀 /status reactions — o estado como reação na gravação, /status messages — em uma mensagem
quiet-on = 🔕 A partir de agora envio só textos, sem notificações. 🙈 em uma gravação quer dizer: não haverá texto.
quiet-off = 🔔 A partir de agora volto a mostrar o estado das gravações e explico quando não há texto.
quiet-how = 🔕 /quiet on — só textos, sem notificações, /quiet off — também o estado e as explicações
admins-only = 🔒 Só os administradores do grupo podem fazer isso.
groups-only = 👥 Este comando é para grupos. Aqui eu transcrevo tudo de qualquer forma.
private-only = 🔒 Isso eu respondo só em um chat privado, para que o grupo todo não veja.

## For the bot's administrators

paused = ⏸️ Em pausa: gravações novas são recebidas e esperam. /resume continua.
draining = 🚰 Gravações novas não são recebidas, a fila será concluída. /resume volta ao normal.
resumed = ▶️ Tudo funciona.
banned = 🚫 O usuário { $id } está bloqueado.
unbanned = ✅ O usuário { $id } está desbloqueado.
ban-how = Informe um ID: /ban 123456789
ban-chats = Pode ser o ID de uma pessoa, de um grupo ou de um canal. Uma pessoa bloqueada ainda pode escrever num grupo em nome de um canal: bloqueie esse canal pelo ID dele. O Telegram não informa ao bot quem escreve em nome de um canal.
banned-none = Ninguém está bloqueado.
banned-list = 🚫 Bloqueados: { $count }
banned-more = … e anteriores: { $count }
banned-hint = Desbloquear: /unban ID
invite = ✉️ Envie este link: poderá usar o bot quem o abrir primeiro. Funciona uma única vez, por { $time }.
invite-needless = ✉️ O bot atende a todos: ninguém precisa de convite. Com allowed_users ele atenderia só certas pessoas.
invitation-accepted = ✅ Você foi convidado: já pode usar o bot.
invitation-invalid = ✉️ Este convite já foi usado ou expirou. Peça outro.
uninvited = 🚪 { $id } não está mais entre os convidados. Quem está em allowed_users continua a ser atendido.
invited-none = ✉️ Ninguém chegou ainda por convite.
invited-list = ✉️ Chegaram por convite: { $count }
invited-hint = Para retirar: /uninvite ID
broadcast-how = Escreva o texto depois do comando: /broadcast Amanhã o bot não funciona
broadcast-preview =
    📣 Prévia. Será enviada a { $count ->
        [one] { $count } pessoa
        [many] { $count } de pessoas
       *[other] { $count } pessoas
    }:
broadcast-cancelled = 📣 Não enviada.
broadcast-started =
    📣 Enviando para { $count ->
        [one] { $count } pessoa
        [many] { $count } de pessoas
       *[other] { $count } pessoas
    }...
broadcast-done = 📣 Enviadas: { $sent }, não entregues: { $missed }
stats =
    📊 Na fila: { $waiting } de { $limit }
    Em 24 horas: mensagens { $requests }, pessoas { $people }
    Textos: { $answered }, paradas antes: { $stopped }, sem fala: { $nospeech }, com falha: { $failed }, recusadas: { $rejected }
    Áudio: { $audio }, espera (mediana): { $wait }
    Processamento: { $factor } da duração de uma gravação

## Buttons

label-cancel = ✖️ Cancelar
label-stop = ⏹️ Parar e manter
label-refresh = 🔄 Atualizar
label-other-language = 🌐 Outro idioma
label-copy = 📋 Copiar
label-back = ↩️ Voltar
label-automatic = Detectar automaticamente
label-file = 📄 { $form }
label-erase = 🗑️ Apagar tudo
label-send = 📣 Enviar
toast-not-yours = Esta gravação é de outra pessoa.
toast-admins-only = Isto foi pedido em nome do grupo ou de um canal: só os administradores do grupo podem usar estes botões.
toast-over = Esta gravação já terminou.
toast-cancelling = Parando...
toast-no-text = Ainda não há texto.
toast-again = Ouvindo de novo...
toast-draft-gone = Este rascunho não existe mais. Envie /broadcast outra vez.

## The menu

command-start = Começar
command-help = O que sei fazer
command-language = Idioma das gravações
command-queue = Minhas gravações na fila
command-cancel = Cancelar minhas gravações
command-privacy = O que é guardado e por quanto tempo
command-mydata = O que é guardado sobre mim
command-forget = Apagar tudo sobre mim
command-transcribe = Transcrever a mensagem a que você responde
command-auto = Transcrever todas as mensagens de voz
command-times = Tempos nos textos longos
command-status = Estado como reação ou mensagem
command-quiet = Só textos
command-stats = Estatísticas do bot
command-pause = Pausar o trabalho
command-resume = Retomar
command-drain = Não receber nada novo, concluir a fila
command-invite = Link para mais uma pessoa
command-uninvite = Retirar um convite
command-ban = Bloquear uma pessoa
command-unban = Desbloquear uma pessoa
command-banned = Lista de bloqueados
command-broadcast = Uma mensagem para todos

## Lengths and sizes

span-seconds = { $seconds } s
span-minutes = { $minutes } min { $seconds } s
span-minutes-whole = { $minutes } min
span-hours = { $hours } h { $minutes } min
span-hours-whole = { $hours } h
limit-minutes = { $seconds } s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
