"""Headless Chromium for tests of the page, through its driver."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_NEEDED = "the page is tested in Chromium, which is not installed; on Debian: apt-get install chromium chromium-driver"
PATIENCE = 20  # seconds
_TWO_FRAMES = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"  # after which all is drawn
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-device-scale-factor=1")


def _programs() -> tuple[str, str] | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for path in map(shutil.which, names) if path), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def started() -> Chrome:
    """A new browser. Fails where there is none; on a developer's machine the test is skipped with the reason."""
    found = _programs()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(_NEEDED)
        pytest.skip(_NEEDED)
    options = ChromeOptions()
    options.binary_location = found[0]
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options=options, service=Service(found[1]))


class Tab:
    """One page in a browser, asked and used as a person would."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, file: Path) -> None:
        """Open a file; its script has run when this returns."""
        with contextlib.suppress(Exception):
            self.logs()
        self.driver.get(file.as_uri())
        assert self.js("return document.documentElement.dataset.ready") == "true"

    def js(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def keys(self, *keys: str) -> None:
        """Type into whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def filter(self, text: str) -> None:
        box = self.one("#filter")
        box.clear()
        box.send_keys(text)
        WebDriverWait(self.driver, PATIENCE).until(lambda _: not self.js("return initrules.waits()"))

    def rows(self) -> list[str]:
        """The patterns of the rows."""
        return [row["pattern"] or row["label"] for row in self.js("return initrules.rows()")]

    def labels(self) -> list[str]:
        return [row["label"] for row in self.js("return initrules.rows()")]

    def click_row(self, pattern: str, part: str = ".label") -> None:
        """Click into the row with this pattern."""
        self.one(f'[data-at="{self.rows().index(pattern)}"] {part}').click()

    def text(self, selector: str) -> str:
        return str(self.one(selector).text)

    def logs(self) -> tuple[list[str], list[str]]:
        """What the console said, and every address that was asked for, since the last time."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return said, asked


@contextlib.contextmanager
def tab(*, width: int = 1400, height: int = 860) -> Iterator[Tab]:
    """A browser with one page, closed at the end."""
    driver = started()
    try:
        made = Tab(driver)
        resize(made, width, height)
        yield made
    finally:
        driver.quit()


def resize(page: Tab, width: int, height: int) -> None:
    """The size of the page in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.driver.execute_async_script(_TWO_FRAMES)


def colours(page: Tab, scheme: str) -> None:
    """What the system prefers: ``light`` or ``dark``."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
