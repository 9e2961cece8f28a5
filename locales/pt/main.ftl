# What the bot says, in Portuguese. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Baixando o arquivo...
queued = 📋 Na fila: posição { $position }
queued-wait = ⏱️ Espera estimada: ~{ $wait }
starting = ⚙️ Começando...
progress = 🔄 Transcrevendo [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Passou: { $elapsed }
progress-remaining = ⏱️ Passou: { $elapsed } | Falta: ~{ $remaining }

## Answers

done = ✅ Pronto!
low-confidence = ⚠️ Difícil de ouvir: o texto pode ter erros.
missed-speech = ⚠️ Não foi possível reconhecer uma parte da fala: ela falta no texto.
in-the-file = 📄 O texto completo está no arquivo.
no-speech = 🤷 Nenhuma fala encontrada: não se ouvem palavras na gravação.

## Refusals

too-long =
    ⚠️ Duração máxima: { $limit }
    Seu arquivo: { $actual }
too-long-unknown =
    ⚠️ Duração máxima: { $limit }
    Seu arquivo é mais longo.
too-big = ⚠️ O arquivo é grande demais. Tamanho máximo: { $limit }
queue-full = ⚠️ A fila está cheia. Tente de novo em alguns minutos, por favor.
user-limit-seconds =
    ⚠️ Mensagens demais em seguida. Tente de novo em { $count ->
        [one] { $count } segundo
       *[other] { $count } segundos
    }, por favor.
user-limit-minutes =
    ⚠️ Mensagens demais em seguida. Tente de novo em { $count ->
        [one] { $count } minuto
       *[other] { $count } minutos
    }, por favor.
person-full =
    ⚠️ Já { $count ->
        [one] espera { $count } mensagem sua
       *[other] esperam { $count } mensagens suas
    }. Espere as respostas ou cancele: /cancel
day-full =
    ⚠️ Por hoje é só: { $count ->
        [one] { $count } minuto
       *[other] { $count } minutos
    } por dia para cada pessoa. Volte amanhã, por favor.
not-allowed = 🔒 Este bot atende só algumas pessoas. Fale com o dono dele.
maintenance = 🛠️ O bot está em manutenção e por enquanto não recebe mensagens. Tente mais tarde, por favor.
delayed = ⏳ O armazenamento do bot está fora do ar por enquanto: a sua mensagem está a salvo e será processada assim que ele voltar a funcionar, não é preciso enviá-la outra vez.
unsupported = 🎙️ Envie-me uma mensagem de voz e eu envio o texto dela.

## Apologies

failed = ❌ Algo deu errado. Tente de novo, por favor.
no-audio = ❌ O vídeo não tem faixa de áudio.
unreadable = ❌ Não há neste arquivo som que eu consiga ler. Servem mensagens de voz, áudio e vídeo.
audio-gone = 🗑️ A gravação já foi apagada. Envie-a de novo, por favor.
cancelled = 🚫 Cancelado.
cancelled-by-operator = 🚫 Cancelado pelo administrador do bot. Envie a gravação de novo mais tarde, por favor.
damaged = ❌ Não foi possível ler o arquivo: está danificado ou tem um formato desconhecido.
download-failed = ❌ Não foi possível baixar o arquivo. Envie-o de novo, por favor.
timed-out = ❌ A transcrição demorou demais. Envie uma gravação mais curta, por favor.

## The first words

greeting =
    👋 Eu transformo mensagens de voz em texto.

    Envie ou encaminhe uma mensagem de voz, uma mensagem de vídeo, áudio ou vídeo.
    Duração máxima: { $duration }
    Tamanho máximo: { $size }

    /help conta o resto.
help =
    🎙️ O que você pode enviar: mensagens de voz, mensagens de vídeo, áudio, vídeo e arquivos com eles, também encaminhados.
    Duração máxima: { $duration }
    Tamanho máximo: { $size }

    /language — o idioma das gravações
    /queue — minhas gravações na fila
    /cancel — cancelá-las
    /privacy — o que é guardado e por quanto tempo
    /mydata — o que é guardado sobre mim
    /forget — apagar tudo sobre mim

    👥 Num grupo, responda a uma mensagem de voz com /transcribe ou mencione @{ $bot }. Um administrador pode mandar transcrever todas: /auto on

## Commands

languages =
    🌐 Idioma das gravações: { $language }
    Escolha outro:
languages-automatic =
    🌐 O idioma das gravações é detectado.
    Se for detectado errado, escolha:
language-set = 🌐 Idioma das gravações: { $language }
language-automatic = 🌐 A partir de agora o idioma das gravações é detectado.
queue-empty = 📋 Você não tem gravações na fila.
queue-mine = 📋 Suas gravações:
queue-waits = • { $length } — posição { $position }
queue-works = • { $length } — em andamento
cancel-nothing = 📋 Nada a cancelar: você não tem gravações na fila.
cancel-count =
    🚫 { $count ->
        [one] { $count } gravação cancelada
       *[other] { $count } gravações canceladas
    }.
privacy =
    🔒 Os textos não são guardados em lugar nenhum: nem no banco de dados, nem nos registros.
    { $audio }
    É guardado: seu nome no Telegram, hora e duração das gravações, tamanho dos textos. As gravações não saem da máquina em que o bot funciona.

    /mydata mostra o que é guardado sobre você. /forget apaga.
privacy-audio-at-once = As gravações são apagadas logo depois da resposta.
privacy-audio-kept = As gravações são apagadas { $time } depois da resposta: até lá podem ser ouvidas em outro idioma ou recebidas como arquivo.
my-data-none = 🔒 Nada é guardado sobre você.
my-data =
    🔒 O que é guardado sobre você:
    Nome: { $name }
    Número no Telegram: { $id }
    Primeira mensagem: { $since }
    Mensagens: { $requests }, respondidas: { $answered }
    Gravações ao todo: { $audio }
    Idioma das gravações: { $language }

    /forget apaga tudo isso.
forget-ask = 🗑️ Apagar tudo o que é guardado sobre você? As gravações na fila são canceladas. Ficam só números pelos quais ninguém reconhece você.
forgotten =
    🗑️ Tudo sobre você foi apagado. { $count ->
        [one] Fica { $count } número sem nome
       *[other] Ficam { $count } números sem nome
    } nos totais.
transcribe-how = 🎙️ Responda com este comando a uma mensagem de voz, uma mensagem de vídeo, áudio ou vídeo.
auto-on = 👥 A partir de agora transcrevo todas as mensagens de voz deste grupo.
auto-off = 👥 A partir de agora transcrevo só a pedido: responda a uma mensagem com /transcribe
auto-how = 👥 /auto on — transcrever todas as mensagens de voz, /auto off — só a pedido
admins-only = 🔒 Só os administradores do grupo podem fazer isso.
groups-only = 👥 Este comando é para grupos. Aqui eu transcrevo tudo de qualquer forma.

## For the bot's administrators

paused = ⏸️ Em pausa: gravações novas são recebidas e esperam. /resume continua.
draining = 🚰 Gravações novas não são recebidas, a fila é terminada. /resume traz tudo de volta.
resumed = ▶️ Tudo funciona.
banned = 🚫 { $id } não é mais atendido.
unbanned = ✅ { $id } é atendido de novo.
ban-how = Dê um número: /ban 123456789
broadcast-how = Escreva o texto depois do comando: /broadcast Amanhã o bot não funciona
broadcast-started =
    📣 Enviando a { $count ->
        [one] { $count } pessoa
       *[other] { $count } pessoas
    }...
broadcast-done = 📣 Enviadas: { $sent }, não alcançadas: { $missed }
stats =
    📊 Na fila: { $waiting } de { $limit }
    Em 24 horas: { $requests } mensagens de { $people } pessoas
    Textos: { $answered }, sem fala: { $nospeech }, com falha: { $failed }, recusadas: { $rejected }
    Som: { $audio }, espera (mediana): { $wait }
    Processamento: { $factor } da duração de uma gravação

## Buttons

label-cancel = ✖️ Cancelar
label-other-language = 🌐 Outro idioma
label-back = ↩️ Voltar
label-automatic = Detectar automaticamente
label-file = 📄 { $form }
label-erase = 🗑️ Apagar tudo
toast-not-yours = Esta gravação é de outra pessoa.
toast-over = Esta gravação já terminou.
toast-cancelling = Parando...
toast-again = Ouvindo de novo...

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
command-stats = Como vai o bot
command-pause = Pausar o trabalho
command-resume = Continuar
command-drain = Não receber nada novo, terminar a fila
command-ban = Não atender mais uma pessoa
command-unban = Atender uma pessoa de novo
command-broadcast = Uma mensagem para todos

## Lengths and sizes

span-seconds = { $seconds } s
span-minutes = { $minutes } min { $seconds } s
span-hours = { $hours } h { $minutes } min
limit-minutes = { $seconds } s ({ $minutes } min)
size-kib = { $count } KB
size-mib = { $count } MB
