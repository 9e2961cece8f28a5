# What the bot says, in Turkish. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Dosyayı indiriyorum...
queued = 📋 Kuyrukta: { $position }. sıra
queued-about = 📋 Kuyrukta: yaklaşık { $position }. sıra
queued-wait = ⏱️ Tahmini bekleme süresi: ~{ $wait }
queued-paused = ⏸️ Bot duraklatıldı: mesajınız saklandı ve daha sonra yazıya dökülecek, yeniden göndermenize gerek yok.
starting = ⚙️ Başlıyorum...
progress = 🔄 Yazıya dökülüyor [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Geçen: { $elapsed }
progress-remaining = ⏱️ Geçen: { $elapsed } | Kalan: ~{ $remaining }

## Answers

done = ✅ Hazır!
stopped = ⏹️ Durduruldu: { $time } / { $length }
answer-language = 🌐 Dil: { $language }
low-confidence = ⚠️ Zor duyuluyor: metinde hatalar olabilir.
missed-speech = ⚠️ Konuşmanın bir kısmı tanınamadı ve metinde yok.
in-the-file = 📄 Metnin tamamı dosyada.
no-speech = 🤷 Konuşma bulunamadı: kayıtta duyulan söz yok.

## The user's own account

business-heading = 👤 { $name } · { $time }
business-heading-unnamed = 👤 { $time }
business-connected = 🔗 Hesabınıza bağlandım. Size bir sesli mesaj, görüntülü mesaj veya ses dosyası geldiğinde metnini buraya gönderirim. Karşı taraf bunu fark etmez.
business-refused = 🔒 Hesabınıza bağlandım, ancak bu bot yalnızca belirli kişilere hizmet veriyor: hiçbir şeyi okumuyor ve saklamıyorum. Lütfen beni Telegram ayarlarından kaldırın.
help-business = 🔗 Beni Telegram ayarlarından kendi hesabınıza bağlayın; size gönderilenleri burada yazıya dökeyim.
privacy-business = 🔗 Kendi hesabınıza gelen kayıtlarda gönderenin adı metin gönderilene kadar saklanır, onu tanıtan başka hiçbir şey saklanmaz. Mesaj orada silinirse kayıt ve metin burada da silinir.
my-data-business = 🔗 Kendi hesabınıza bağlıyım.

## Botun olmadığı bir sohbette konuk olarak çağrıldığında

guest-usage = 🎙️ Beni bir sesli mesaja, görüntülü mesaja ya da ses dosyasına yanıt olarak çağırın: orada @{ $bot } yazın, metniyle yanıt vereyim.
guest-over = ⌛ Bu istek sona erdi. Metin benimle özel sohbetinizde yoksa kayda yanıt olarak beni bir kez daha çağırın.
guest-rest = 📄 Devamı benimle özel sohbetinizde.
guest-rest-lost = 📄 Metin daha uzun. Benimle özel sohbet başlatın ve beni bir kez daha çağırın: devamı oraya gelir.
help-guest = 💬 Başka herhangi bir sohbette bir kayda @{ $bot } ile yanıt verin, metnini oraya yazayım.
privacy-guest = 💬 Beni eklemeden çağırdığınız bir sohbetten yalnızca oradaki yanıtımın numarası saklanır.

## Refusals

request-number = İstek no: { $number }
refused-others =
    { $count ->
        [one] { $count } mesaj daha kabul edilmedi.
       *[other] { $count } mesaj daha kabul edilmedi.
    }
too-long =
    ⚠️ Maksimum süre: { $limit }
    Dosyanız: { $actual }
too-long-unknown =
    ⚠️ Maksimum süre: { $limit }
    Dosyanız daha uzun.
too-big = ⚠️ Dosya çok büyük. Maksimum boyut: { $limit }
queue-full = ⚠️ Kuyruk dolu. Lütfen birkaç dakika sonra yeniden deneyin.
user-limit-seconds =
    ⚠️ Art arda çok fazla mesaj. Lütfen { $count ->
        [one] { $count } saniye
       *[other] { $count } saniye
    } sonra yeniden deneyin.
user-limit-minutes =
    ⚠️ Art arda çok fazla mesaj. Lütfen { $count ->
        [one] { $count } dakika
       *[other] { $count } dakika
    } sonra yeniden deneyin.
person-full =
    ⚠️ { $count ->
        [one] { $count } mesajınız
       *[other] { $count } mesajınız
    } zaten bekliyor. Yanıtları bekleyin ya da iptal edin: /cancel
day-full =
    ⚠️ Günlük sınıra ulaşıldı: kişi başına { $count ->
        [one] { $count } dakika
       *[other] { $count } dakika
    } ses. Lütfen yarın tekrar deneyin.
not-allowed = 🔒 Bu bot yalnızca belirli kişilere hizmet eder. Lütfen sahibine sorun.
maintenance = 🛠️ Bot bakımda ve şimdilik mesaj almıyor. Lütfen daha sonra yeniden deneyin.
delayed = ⏳ Botun depolama alanında bir sorun var. Mesajınız güvende, depolama yeniden çalışır çalışmaz işlenecek. Yeniden göndermenize gerek yok.
unsupported = 🎙️ Bana bir sesli mesaj gönderin, size metnini göndereyim.

## Apologies

failed = ❌ Bir şeyler ters gitti. Lütfen yeniden deneyin.
no-audio = ❌ Videoda ses kanalı yok.
unreadable = ❌ Bu dosyada ses bulamıyorum. Sesli mesaj, ses ya da video gönderin.
unsupported-codec = ❌ Bu biçimdeki sesi okuyamıyorum: { $codec }. Lütfen kaydı MP3, M4A ya da Ogg olarak gönderin.
audio-gone = 🗑️ Kayıt silinmiş. Lütfen yeniden gönderin.
cancelled = 🚫 İptal edildi.
cancelled-by-operator = 🚫 Botun yöneticisi iptal etti. Lütfen kaydı daha sonra yeniden gönderin.
damaged = ❌ Dosya bozuk, okunamadı. Lütfen yeniden ya da başka bir biçimde gönderin.
download-failed = ❌ Dosya indirilemedi. Lütfen yeniden gönderin.
timed-out = ❌ Yazıya dökme çok uzun sürdü. Lütfen daha kısa bir kayıt gönderin.

## The first words

greeting =
    👋 Sesli mesajları yazıya dökerim.

    Bana bir sesli mesaj, görüntülü mesaj, ses ya da video gönderin veya iletin.
    Maksimum süre: { $duration }
    Maksimum boyut: { $size }

    Ayrıntılar: /help
help =
    🎙️ Gönderebilecekleriniz: sesli mesajlar, görüntülü mesajlar, ses, video ve bunların dosyaları, iletilmiş olanlar da.
    Maksimum süre: { $duration }
    Maksimum boyut: { $size }

    /language — kayıtların dili; birden çok: /language tr en
    /times off — uzun metinlerde zamanları gösterme
    /queue — kuyruktaki kayıtlarım
    /cancel — onları iptal et
    /privacy — ne, ne kadar süre saklanıyor
    /mydata — benim hakkımda ne saklanıyor
    /forget — benim hakkımdaki her şeyi sil

    👥 Bir grupta sesli mesajı /transcribe ile yanıtlayın ya da @{ $bot } yazın. Yönetici tüm mesajları yazıya döktürebilir: /auto on
help-doubts = Altı çizili: emin olmadığım sözcükler.
help-groups = 👥 Grup yöneticileri için: /status — durum tepki olarak mı mesaj olarak mı, /quiet on — yalnızca metinler

## Commands

languages =
    🌐 Kayıtların dili: { $language }
    Başka bir dil seçin:
languages-automatic = 🌐 Kayıtların dili otomatik algılanır. Yanlış algılanırsa seçin:
language-set = 🌐 Kayıtların dili: { $language }
language-set-several = 🌐 Kayıtların dilleri: { $languages }. Bunların hiçbiri uymazsa ancak o zaman başka bir dil denenir.
language-how =
    🌐 /language tr — tek dil, /language tr en — birden çok dil, /language auto — otomatik algılama.
    Diller: { $codes }
language-automatic = 🌐 Kayıtların dili artık otomatik algılanır.
language-detected = otomatik algılanır
queue-empty = 📋 Kuyrukta kaydınız yok.
queue-mine = 📋 Kayıtlarınız:
queue-waits = • { $length } — { $position }. sıra
queue-works = • { $length } — işleniyor
cancel-nothing = 📋 İptal edilecek bir şey yok: kuyrukta kaydınız yok.
cancel-count =
    🚫 { $count ->
        [one] { $count } kayıt
       *[other] { $count } kayıt
    } iptal edildi.
privacy =
    🔒 Metinler hiçbir yerde saklanmaz: ne veritabanında ne günlüklerde.
    { $audio }
    Saklananlar: Telegram adınız, kayıtların zamanı, süresi ve dili, metinlerin uzunluğu. Kayıtlar botun çalıştığı makineden çıkmaz.

    /mydata sizin hakkınızda ne saklandığını gösterir. /forget bunu siler.
privacy-audio-at-once = Kayıtlar yanıttan hemen sonra silinir.
privacy-audio-kept = Kayıtlar yanıttan { $time } sonra silinir: o zamana kadar metin başka bir dilde ya da dosya olarak alınabilir.
privacy-limits = /forget sonrasında, sınırlardan kullandığınız miktar gece yarısına (UTC) kadar sayılmaya devam eder: o güne ait bir kodla, adınız ve kimliğiniz (ID) olmadan.
my-data-none = 🔒 Sizin hakkınızda hiçbir şey saklanmıyor.
my-data =
    🔒 Sizin hakkınızda saklananlar:
    Ad: { $name }
    Telegram kimliği (ID): { $id }
    İlk mesaj: { $since }
    Mesajlar: { $requests }, yanıtlanan: { $answered }, erken durdurulan: { $stopped }
    Kayıtların toplam süresi: { $audio }
    Kayıtların dili: { $language }
    Son kayıtlarda tanınan diller: { $recognised }

    /forget bunların hepsini siler.
my-data-invited = { $since } tarihinden beri davetli; /forget sonrasında yeni bir davet gerekir.
forget-ask = 🗑️ Sizin hakkınızda saklanan her şey silinsin mi? Kuyruktaki kayıtlar iptal edilir. Yalnızca anonim sayılar kalır.
forgotten = 🗑️ Sizin hakkınızdaki her şey silindi. Yalnızca anonim sayılar kalır.
forgotten-soon = 🗑️ Sizin hakkınızdaki her şey siliniyor: birkaç dakika içinde hiçbir şey kalmayacak. Yalnızca anonim sayılar kalır.
transcribe-how = 🎙️ Bu komutla bir sesli mesajı, görüntülü mesajı, sesi ya da videoyu yanıtlayın.
auto-on = 👥 Bundan sonra bu gruptaki tüm sesli mesajları yazıya dökerim.
auto-off = 👥 Bundan sonra yalnızca istenince: bir mesajı /transcribe ile yanıtlayın
auto-how = 👥 /auto on — tüm sesli mesajları yazıya dök, /auto off — yalnızca istenince
times-on = ⏱️ 45 saniye ve daha uzun kayıtların metinlerinde her paragrafın zamanı gösterilir.
times-off = ⏱️ Metinler artık zamansız gelir.
times-how = ⏱️ /times on — uzun kayıtların metinlerinde paragrafların zamanını göster, /times off — gösterme
status-reactions = 👀 Bundan böyle durumu kayda bırakılan tepki gösterir: beklerken 👀, konuşma yoksa 🤷.
status-messages = 👀 Bundan böyle durum bir mesajda gösterilir.
status-how = 👀 /status reactions — durum kayda bırakılan tepkiyle, /status messages — bir mesajla
quiet-on = 🔕 Bundan böyle bildirimsiz olarak yalnızca metinleri gönderirim. Kayıttaki 🙈 metin olmayacak demektir.
quiet-off = 🔔 Bundan böyle kayıtların durumunu yeniden gösterir, metin yoksa nedenini söylerim.
quiet-how = 🔕 /quiet on — bildirimsiz, yalnızca metinler, /quiet off — durum ve açıklamalar da
admins-only = 🔒 Bunu yalnızca grubun yöneticileri yapabilir.
groups-only = 👥 Bu komut gruplar içindir. Burada zaten her şeyi yazıya döküyorum.
private-only = 🔒 Buna yalnızca özel sohbette yanıt veririm, böylece tüm grup görmez.

## For the bot's administrators

paused = ⏸️ Duraklatıldı: yeni kayıtlar alınır ve bekler. /resume sürdürür.
draining = 🚰 Yeni kayıt alınmıyor, kuyruk bitiriliyor. /resume normale döndürür.
resumed = ▶️ Her şey çalışıyor.
banned = 🚫 { $id } kullanıcısı engellendi.
unbanned = ✅ { $id } kullanıcısının engeli kaldırıldı.
ban-how = Bir kimlik (ID) verin: /ban 123456789
ban-chats = Bir kişinin, grubun veya kanalın kimliği (ID) olabilir. Engellenen kişi bir grupta kanal adına yazmaya devam edebilir: bu kanalı kendi kimliğiyle engelleyin. Telegram, kanal adına kimin yazdığını bota bildirmez.
banned-none = Engellenen kimse yok.
banned-list = 🚫 Engellenenler: { $count }
banned-more = … ve daha eskileri: { $count }
banned-hint = Engeli kaldırmak için: /unban ID
invite = ✉️ Bu bağlantıyı gönderin: botu, bağlantıyı ilk açan kişi kullanabilir. Bir kez ve { $time } süreyle geçerlidir.
invite-needless = ✉️ Bot herkese açık: davete gerek yok. allowed_users ayarlanırsa yalnızca belirli kişilere hizmet eder.
invitation-accepted = ✅ Davet edildiniz: artık botu kullanabilirsiniz.
invitation-invalid = ✉️ Bu davet kullanılmış ya da süresi dolmuş. Yenisini isteyin.
uninvited = 🚪 { $id } artık davetliler arasında değil. allowed_users içindekilere hizmet sürer.
invited-none = ✉️ Henüz davetle gelen olmadı.
invited-list = ✉️ Davetle gelenler: { $count }
invited-hint = Geri almak için: /uninvite ID
broadcast-how = Metni komuttan sonra yazın: /broadcast Bot yarın çalışmıyor
broadcast-preview =
    📣 Önizleme. { $count ->
        [one] { $count } kişiye
       *[other] { $count } kişiye
    } gidecek:
broadcast-cancelled = 📣 Gönderilmedi.
broadcast-started =
    📣 { $count ->
        [one] { $count } kişiye
       *[other] { $count } kişiye
    } gönderiliyor...
broadcast-done = 📣 Gönderilen: { $sent }, teslim edilemeyen: { $missed }
stats =
    📊 Kuyrukta: { $waiting } / { $limit }
    24 saatte: { $requests } mesaj, { $people } kişi
    Metinler: { $answered }, erken durdurulan: { $stopped }, konuşmasız: { $nospeech }, başarısız: { $failed }, reddedilen: { $rejected }
    Ses: { $audio }, bekleme (ortanca): { $wait }
    İşleme: kayıt süresinin { $factor } katı

## Buttons

label-cancel = ✖️ İptal
label-stop = ⏹️ Durdur ve sakla
label-refresh = 🔄 Yenile
label-other-language = 🌐 Başka dil
label-copy = 📋 Kopyala
label-back = ↩️ Geri
label-automatic = Otomatik algıla
label-file = 📄 { $form }
label-erase = 🗑️ Her şeyi sil
label-send = 📣 Gönder
toast-not-yours = Bu başka birinin kaydı.
toast-admins-only = Bu, grup ya da bir kanal adına istendi: bu düğmeleri yalnızca grubun yöneticileri kullanabilir.
toast-over = Bu kaydın işlenmesi tamamlandı.
toast-cancelling = Durduruyorum...
toast-no-text = Henüz metin yok.
toast-again = Yeniden dinliyorum...
toast-draft-gone = Bu taslak artık yok. /broadcast komutunu yeniden gönderin.

## The menu

command-start = Başla
command-help = Neler yapabilirim
command-language = Kayıtların dili
command-queue = Kuyruktaki kayıtlarım
command-cancel = Kayıtlarımı iptal et
command-privacy = Ne, ne kadar süre saklanıyor
command-mydata = Benim hakkımda ne saklanıyor
command-forget = Benim hakkımdaki her şeyi sil
command-transcribe = Yanıtladığınız mesajı yazıya dök
command-auto = Tüm sesli mesajları yazıya dök
command-times = Uzun metinlerde zamanlar
command-status = Durum: tepki ya da mesaj
command-quiet = Yalnızca metinler
command-stats = Bot istatistikleri
command-pause = Çalışmayı duraklat
command-resume = Sürdür
command-drain = Yeni kayıt alma, kuyruğu bitir
command-invite = Bir kişi daha için bağlantı
command-uninvite = Daveti geri al
command-ban = Bir kişiyi engelle
command-unban = Bir kişinin engelini kaldır
command-banned = Engellenenlerin listesi
command-broadcast = Herkese mesaj

## Lengths and sizes

span-seconds = { $seconds } sn
span-minutes = { $minutes } dk { $seconds } sn
span-minutes-whole = { $minutes } dk
span-hours = { $hours } sa { $minutes } dk
span-hours-whole = { $hours } sa
limit-minutes = { $seconds } sn ({ $minutes } dk)
size-kib = { $count } KB
size-mib = { $count } MB
