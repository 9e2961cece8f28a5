# What the bot says, in Turkish. Every message here is in every other locale too, with the same variables.

## While a request is under way

downloading = 📥 Dosyayı indiriyorum...
queued = 📋 Sırada: { $position }. sıra
queued-wait = ⏱️ Tahmini bekleme süresi: ~{ $wait }
starting = ⚙️ Başlıyorum...
progress = 🔄 Yazıya dökülüyor [{ $bar }] { $percent }%
progress-elapsed = ⏱️ Geçen: { $elapsed }
progress-remaining = ⏱️ Geçen: { $elapsed } | Kalan: ~{ $remaining }

## Answers

done = ✅ Hazır!
low-confidence = ⚠️ Zor duyuluyor: metinde hatalar olabilir.
missed-speech = ⚠️ Konuşmanın bir kısmı tanınamadı ve metinde yok.
in-the-file = 📄 Metnin tamamı dosyada.
no-speech = 🤷 Konuşma bulunamadı: kayıtta duyulan söz yok.

## Refusals

too-long =
    ⚠️ En uzun süre: { $limit }
    Dosyanız: { $actual }
too-long-unknown =
    ⚠️ En uzun süre: { $limit }
    Dosyanız daha uzun.
too-big = ⚠️ Dosya çok büyük. En büyük boyut: { $limit }
queue-full = ⚠️ Sıra dolu. Lütfen birkaç dakika sonra yeniden deneyin.
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
    ⚠️ Bugünlük bu kadar: kişi başına günde { $count ->
        [one] { $count } dakika
       *[other] { $count } dakika
    }. Lütfen yarın yeniden gelin.
not-allowed = 🔒 Bu bot yalnızca belirli kişilere hizmet eder. Lütfen sahibine sorun.
maintenance = 🛠️ Bot bakımda ve şimdilik mesaj almıyor. Lütfen daha sonra yeniden deneyin.
delayed = ⏳ Botun depolama alanı şu anda çalışmıyor: mesajınız güvende, depolama yeniden çalışır çalışmaz işlenecek, yeniden göndermenize gerek yok.
unsupported = 🎙️ Bana bir sesli mesaj gönderin, size metnini göndereyim.

## Apologies

failed = ❌ Bir şeyler ters gitti. Lütfen yeniden deneyin.
no-audio = ❌ Videoda ses kanalı yok.
unreadable = ❌ Bu dosyada okuyabildiğim bir ses yok. Sesli mesaj, ses ya da video olur.
audio-gone = 🗑️ Kayıt silinmiş. Lütfen yeniden gönderin.
cancelled = 🚫 İptal edildi.
cancelled-by-operator = 🚫 Botun yöneticisi iptal etti. Lütfen kaydı daha sonra yeniden gönderin.
damaged = ❌ Dosya okunamıyor: bozuk ya da biçimi bilinmiyor.
download-failed = ❌ Dosya indirilemedi. Lütfen yeniden gönderin.
timed-out = ❌ Yazıya dökme çok uzun sürdü. Lütfen daha kısa bir kayıt gönderin.

## The first words

greeting =
    👋 Sesli mesajları yazıya dökerim.

    Bana bir sesli mesaj, görüntülü mesaj, ses ya da video gönderin veya iletin.
    En uzun süre: { $duration }
    En büyük boyut: { $size }

    Gerisini /help anlatır.
help =
    🎙️ Gönderebilecekleriniz: sesli mesajlar, görüntülü mesajlar, ses, video ve bunların dosyaları, iletilmiş olanlar da.
    En uzun süre: { $duration }
    En büyük boyut: { $size }

    /language — kayıtların dili
    /queue — sıradaki kayıtlarım
    /cancel — onları iptal et
    /privacy — ne, ne kadar saklanıyor
    /mydata — benim hakkımda ne saklanıyor
    /forget — benim hakkımdaki her şeyi sil

    👥 Bir grupta sesli mesajı /transcribe ile yanıtlayın ya da @{ $bot } yazın. Yönetici tüm mesajları yazıya döktürebilir: /auto on

## Commands

languages =
    🌐 Kayıtların dili: { $language }
    Başka bir dil seçin:
languages-automatic =
    🌐 Kayıtların dili kendiliğinden bulunur.
    Yanlış bulunursa seçin:
language-set = 🌐 Kayıtların dili: { $language }
language-automatic = 🌐 Kayıtların dili artık kendiliğinden bulunur.
queue-empty = 📋 Sırada kaydınız yok.
queue-mine = 📋 Kayıtlarınız:
queue-waits = • { $length } — { $position }. sıra
queue-works = • { $length } — işleniyor
cancel-nothing = 📋 İptal edilecek bir şey yok: sırada kaydınız yok.
cancel-count =
    🚫 { $count ->
        [one] { $count } kayıt
       *[other] { $count } kayıt
    } iptal edildi.
privacy =
    🔒 Metinler hiçbir yerde saklanmaz: ne veritabanında ne günlüklerde.
    { $audio }
    Saklananlar: Telegram adınız, kayıtların zamanı ve süresi, metinlerin uzunluğu. Kayıtlar botun çalıştığı makineden çıkmaz.

    /mydata sizin hakkınızda ne saklandığını gösterir. /forget bunu siler.
privacy-audio-at-once = Kayıtlar yanıttan hemen sonra silinir.
privacy-audio-kept = Kayıtlar yanıttan { $time } sonra silinir: o zamana kadar başka bir dilde dinletilebilir ya da dosya olarak alınabilir.
my-data-none = 🔒 Sizin hakkınızda hiçbir şey saklanmıyor.
my-data =
    🔒 Sizin hakkınızda saklananlar:
    Ad: { $name }
    Telegram numarası: { $id }
    İlk mesaj: { $since }
    Mesajlar: { $requests }, yanıtlanan: { $answered }
    Toplam kayıt: { $audio }
    Kayıtların dili: { $language }

    /forget bunların hepsini siler.
forget-ask = 🗑️ Sizin hakkınızda saklanan her şey silinsin mi? Sıradaki kayıtlar iptal edilir. Yalnızca kimsenin sizi tanıyamayacağı sayılar kalır.
forgotten =
    🗑️ Sizin hakkınızdaki her şey silindi. Toplamlarda { $count ->
        [one] { $count } adsız sayı
       *[other] { $count } adsız sayı
    } kaldı.
transcribe-how = 🎙️ Bu komutla bir sesli mesajı, görüntülü mesajı, sesi ya da videoyu yanıtlayın.
auto-on = 👥 Bundan sonra bu gruptaki tüm sesli mesajları yazıya dökerim.
auto-off = 👥 Bundan sonra yalnızca istenince: bir mesajı /transcribe ile yanıtlayın
auto-how = 👥 /auto on — tüm sesli mesajları yazıya dök, /auto off — yalnızca istenince
admins-only = 🔒 Bunu yalnızca grubun yöneticileri yapabilir.
groups-only = 👥 Bu komut gruplar içindir. Burada zaten her şeyi yazıya döküyorum.

## For the bot's administrators

paused = ⏸️ Duraklatıldı: yeni kayıtlar alınır ve bekler. /resume sürdürür.
draining = 🚰 Yeni kayıt alınmıyor, sıra bitiriliyor. /resume her şeyi geri getirir.
resumed = ▶️ Her şey çalışıyor.
banned = 🚫 { $id } artık hizmet almıyor.
unbanned = ✅ { $id } yeniden hizmet alıyor.
ban-how = Bir numara verin: /ban 123456789
broadcast-how = Metni komuttan sonra yazın: /broadcast Bot yarın çalışmıyor
broadcast-started =
    📣 { $count ->
        [one] { $count } kişiye
       *[other] { $count } kişiye
    } gönderiliyor...
broadcast-done = 📣 Gönderilen: { $sent }, ulaşılamayan: { $missed }
stats =
    📊 Sırada: { $waiting } / { $limit }
    24 saatte: { $people } kişiden { $requests } mesaj
    Metinler: { $answered }, konuşmasız: { $nospeech }, başarısız: { $failed }, reddedilen: { $rejected }
    Ses: { $audio }, bekleme (ortanca): { $wait }
    İşleme: kayıt süresinin { $factor } katı

## Buttons

label-cancel = ✖️ İptal
label-other-language = 🌐 Başka dil
label-back = ↩️ Geri
label-automatic = Kendiliğinden bul
label-file = 📄 { $form }
label-erase = 🗑️ Her şeyi sil
toast-not-yours = Bu başka birinin kaydı.
toast-over = Bu kayıt çoktan bitti.
toast-cancelling = Durduruyorum...
toast-again = Yeniden dinliyorum...

## The menu

command-start = Başla
command-help = Neler yapabilirim
command-language = Kayıtların dili
command-queue = Sıradaki kayıtlarım
command-cancel = Kayıtlarımı iptal et
command-privacy = Ne, ne kadar saklanıyor
command-mydata = Benim hakkımda ne saklanıyor
command-forget = Benim hakkımdaki her şeyi sil
command-transcribe = Yanıtladığınız mesajı yazıya dök
command-auto = Tüm sesli mesajları yazıya dök
command-stats = Bot nasıl
command-pause = Çalışmayı duraklat
command-resume = Sürdür
command-drain = Yeni alma, sırayı bitir
command-ban = Birine hizmet verme
command-unban = Birine yeniden hizmet ver
command-broadcast = Herkese mesaj

## Lengths and sizes

span-seconds = { $seconds } sn
span-minutes = { $minutes } dk { $seconds } sn
span-hours = { $hours } sa { $minutes } dk
limit-minutes = { $seconds } sn ({ $minutes } dk)
size-kib = { $count } KB
size-mib = { $count } MB
