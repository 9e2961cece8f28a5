"""Takes pictures of the playground's page by Chromium, which is driven over the WebDriver protocol.

usage: shoot.py FOLDER COMMAND...

COMMAND starts the playground and prints the address of its page; the recordings of samples/ are sent.
"""

import base64
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

DESKTOP, PHONE = (1280, 800, 1), (390, 844, 2)
LAST = "[...document.querySelectorAll('.message:not(.mine)')].at(-1)"
TIMEOUT = 120


class Browser:
    def __init__(self):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        started = (re.search(r"started successfully on port (\d+)", line) for line in self.driver.stdout)
        self.address = f"http://127.0.0.1:{next(port for port in started if port)[1]}/session"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}}
        self.address += "/" + self.call("", wanted)["sessionId"]

    def call(self, path, body, method="POST"):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path} {body}: {json.load(error)['value']['message']}") from None

    def devtools(self, command, **parameters):
        return self.call("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, size, theme):
        width, height, scale = size
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        features = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def go(self, url, person):
        self.call("/url", {"url": f"{url}?person={person}&language=en"})
        self.until("document.querySelector('#samples button')")

    def until(self, expression):
        end = time.monotonic() + TIMEOUT
        while not self.call("/execute/sync", {"script": f"return Boolean({expression})", "args": []}):
            if time.monotonic() > end:
                raise SystemExit(f"this did not become true: {expression}")
            time.sleep(0.05)

    def click(self, selector):
        # By the mouse: after a press of a key, or without one, the page would show where the focus is.
        element = self.call("/element", {"using": "css selector", "value": selector})
        self.call(f"/element/{next(iter(element.values()))}/click", {})

    def send(self, recording):
        """Sends a sample, and waits until its waveform is drawn."""
        self.click(f"[data-name={recording}]")
        self.until("[...document.querySelectorAll('.mine')].at(-1)?.querySelector('.wave i')?.style.height")

    def picture(self, file):
        # The list of recordings from its top, no button below the mouse, the newest message in view.
        script = "document.querySelector('.scroll').scrollTop = 0; toEnd()"
        self.call("/execute/sync", {"script": script, "args": []})
        point = {"type": "pointerMove", "x": 200, "y": 20}
        self.call("/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [point]}]})
        time.sleep(0.5)
        file.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        try:
            self.call("", {}, "DELETE")
        finally:
            self.driver.terminate()


def answered(browser, text):
    browser.until(f"{LAST}?.innerText.includes({json.dumps(text)})")


def shoot(browser, url, folder):
    browser.look(DESKTOP, "light")
    # A folded text, and one that is still written.
    browser.go(url, 2)
    browser.send("en-60s-1")
    browser.until("document.querySelector('.fold')")
    browser.send("en-30s-2")
    answered(browser, "Stop and keep")
    browser.picture(folder / "playground-light.png")
    answered(browser, "Done!")

    # What Bea sends to Anna, and what Anna reads.
    browser.go(url, 9)
    browser.send("en-30s-1")
    browser.go(url, 1)
    answered(browser, "Thanks a lot.")
    browser.look(PHONE, "dark")
    browser.picture(folder / "playground-dark-phone.png")

    # A group: a text that was opened, and a recording whose state is a reaction.
    browser.look(DESKTOP, "light")
    browser.go(url, 10)
    browser.click("#try")
    answered(browser, "👥")
    browser.send("en-60s-1")
    browser.until("document.querySelector('.fold')")
    browser.click(".fold-toggle")
    browser.send("en-30s-3")
    browser.until("document.querySelector('.reaction')")
    browser.look(PHONE, "light")
    browser.picture(folder / "playground-group-phone.png")


def main(folder, *command):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    playground = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = playground.stdout.readline().strip()
        browser = Browser()
        try:
            shoot(browser, url, folder)
        finally:
            browser.close()
    finally:
        playground.terminate()
        playground.wait()


main(*sys.argv[1:])
