"""The dashboard, /docs and their headers, in a real browser against the running service."""

import os
import pathlib
import re

import pytest

from conftest import services

CHROMIUM = pathlib.Path("/usr/bin/chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="skipped: no playwright")
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="skipped: no chromium; apt-get install chromium")
PAGES = ["/", "/docs", "/app.css", "/alerts.js", "/app.js", "/review.js", "/docs.js", "/openapi.json"]


@pytest.fixture(scope="module")
def browser():
    sync_api.expect.set_options(timeout=60_000)  # a deadline, for machines that are busy with other tests
    with sync_api.sync_playwright() as playwright:
        sandbox = os.geteuid() != 0  # Chromium refuses its sandbox to root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that fails the test when the console shows an error."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.errors = errors
    yield page
    page.close()


def drift(service, fashion, stream):
    for image in fashion["in"][:20] + fashion["out"][:120]:
        if service.score(image, stream=stream)["alert"]:
            return
    raise AssertionError("120 strange images raised no alert")


def row(page, stream):
    return page.locator(f'tr[data-stream="{stream}"]')


@needs_chromium
def test_the_page_shows_streams_and_a_fired_alert_with_its_evidence(server, page, fashion):
    for image in fashion["in"][:30]:
        server.score(image, stream="camera-1")
    page.goto(server.url)
    sync_api.expect(page.locator("#connection")).to_have_text("Live")
    sync_api.expect(row(page, "camera-1")).to_contain_text("Filling its window")
    sync_api.expect(page.locator("#no-alerts")).to_be_visible()

    drift(server, fashion, "camera-2")
    sync_api.expect(row(page, "camera-2")).to_contain_text("Drift alert")
    sync_api.expect(page.locator("#announcement")).to_have_text("Drift alert on camera-2")
    sync_api.expect(page).to_have_title("(1) driftd")
    assert page.locator("#streams tr").first.get_attribute("data-stream") == "camera-2"

    page.locator("details.firing summary").focus()
    page.keyboard.press("Enter")
    evidence = server.get("/v1/alerts")["alerts"][0]["evidence"]
    sync_api.expect(page.locator("details.firing tbody tr")).to_have_count(len(evidence))
    sync_api.expect(page.locator("details.firing")).to_contain_text(evidence[0]["request_id"])
    sync_api.expect(page.locator("details.firing .curve svg")).to_have_attribute("aria-label", re.compile("it fired at .*; its limit is .*; the drift probably began at image"))
    sync_api.expect(page.locator("details.firing .breakdown")).to_contain_text(re.compile("look alike|nothing separates"))
    sync_api.expect(page.locator("details.firing .groups img").first).to_be_visible()
    shown = page.locator("details.firing tbody tr").first.locator("img")
    sync_api.expect(shown).to_have_count(4)  # the image, and three training images
    for i in range(4):
        shown.nth(i).scroll_into_view_if_needed()
        page.wait_for_function("(img) => img.complete && img.naturalWidth > 0", arg=shown.nth(i).element_handle())
    page.get_by_role("button", name="Acknowledge").click()
    sync_api.expect(page.locator("details.firing summary")).to_contain_text("acknowledged")
    assert server.get("/v1/alerts")["alerts"][0]["acknowledged"]
    if "DRIFTD_SCREENSHOTS" in os.environ:
        page.screenshot(path=pathlib.Path(os.environ["DRIFTD_SCREENSHOTS"]) / "dashboard.png", full_page=True)
    assert page.errors == []


@needs_chromium
def test_a_chosen_and_a_dropped_image_are_scored_and_a_bad_file_is_explained(server, page, fashion):
    page.goto(server.url)
    sync_api.expect(page.locator("#connection")).to_have_text("Live")
    page.locator("#try-stream").fill("mine")
    page.locator("#try-file").set_input_files(fashion["out"][0])
    sync_api.expect(page.locator("#result tbody tr")).to_have_count(3)
    sync_api.expect(page.locator("#result")).to_contain_text("p-value")
    assert server.get("/v1/streams/mine")["images"] == 1

    drop_file(page, fashion["in"][0].read_bytes(), "b.png", "image/png")
    sync_api.expect(page.locator("#result img")).to_have_attribute("alt", "The image b.png")
    assert server.get("/v1/streams/mine")["images"] == 2
    if "DRIFTD_SCREENSHOTS" in os.environ:
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=pathlib.Path(os.environ["DRIFTD_SCREENSHOTS"]) / "scored.png", full_page=True)
    assert page.errors == []

    drop_file(page, b"<b>no image</b>", "<img src=x>.png", "image/png")
    sync_api.expect(page.locator("#result")).to_contain_text("<img src=x>.png was not scored")
    assert page.locator("#result img").count() == 0


def drop_file(page, data, name, media_type):
    transfer = page.evaluate_handle(
        """([bytes, name, type]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
            return transfer;
        }""",
        [list(data), name, media_type],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


@needs_chromium
def test_the_page_says_when_the_service_is_gone_and_recovers(start_service, page, fashion):
    service = start_service()
    service.score(fashion["in"][0], stream="camera-1")
    page.goto(service.url)
    sync_api.expect(row(page, "camera-1")).to_be_visible()
    page.route("**/v1/**", lambda route: route.abort())
    sync_api.expect(page.locator("#connection")).to_contain_text("does not answer")
    sync_api.expect(row(page, "camera-1")).to_be_visible()
    page.unroute("**/v1/**")
    sync_api.expect(page.locator("#connection")).to_have_text("Live")


@needs_chromium
def test_the_page_shows_what_a_reference_is_at_and_whether_it_can_be_written(driftd, own_reference, tmp_path, page, fashion):
    def cells(service):
        page.goto(service.url)
        return page.locator('tr[data-reference="default"] td')

    with services(driftd, own_reference, tmp_path) as start:
        service, second = start(), start()
        image = fashion["in"][0].read_bytes()
        status, _, written = service.request("PUT", "/v1/references/default/items/new", image, {"Content-Type": "image/png"})
        assert (status, written["revision"]) == (200, 1)
        items = service.get("/v1/references/default")["items"]
        shown = cells(service)
        sync_api.expect(shown.nth(3)).to_have_text("1")
        assert shown.all_inner_texts()[:4] == ["Writable", "1", str(items), "1"]

        service.request("POST", "/v1/references/default/compact")
        sync_api.expect(shown.nth(1)).to_have_text("2")
        sync_api.expect(shown.nth(3)).to_have_text("0")
        sync_api.expect(cells(second).first).to_contain_text("Read-only: another process")
    assert page.errors == []


@needs_chromium
def test_the_reference_of_the_api_lists_every_operation(server, page):
    page.goto(server.url + "/docs")
    api = server.get("/openapi.json")
    operations = [op["operationId"] for item in api["paths"].values() for method, op in item.items() if method != "parameters"]
    sync_api.expect(page.locator("main section h2")).to_have_count(len(operations))
    for name in api["components"]["schemas"]:
        assert page.locator(f"#schema-{name}").count() == 1
    if "DRIFTD_SCREENSHOTS" in os.environ:
        page.screenshot(path=pathlib.Path(os.environ["DRIFTD_SCREENSHOTS"]) / "docs.png")
    assert page.errors == []


def test_every_file_of_the_page_forbids_foreign_content(server):
    for path in PAGES:
        status, headers, body = server.request("GET", path)
        assert status == 200 and body, path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, path


def test_the_pages_name_no_other_host(server):
    for path in PAGES:
        _, _, body = server.request("GET", path)
        foreign = re.findall(r"https?://[^\s'\"<)]+", body if isinstance(body, str) else "")
        assert set(foreign) <= {"http://www.w3.org/2000/svg"}, path


@needs_chromium
def test_an_image_is_labelled_and_dismissed_in_the_review(start_service, page, fashion):
    service = start_service(alerts={"run_length": 0}, review={"random_share": 0, "max_items": 3, "stream_share": 1})
    for image in fashion["out"][:12]:
        service.score(image, stream="camera-1")
    page.goto(service.url)
    card = page.locator("#review-card [data-review]")
    sync_api.expect(page.locator("#review-summary")).to_have_text("3 images wait.")
    sync_api.expect(card.locator("> img")).to_be_visible()
    sync_api.expect(card.locator("figure img")).to_have_count(3)  # the nearest training images
    assert page.evaluate("document.querySelector('#review-card img').naturalWidth") == 28
    sync_api.expect(card).to_contain_text("Nearest reference images")

    first = card.get_attribute("data-review")
    page.locator("#review-label").fill("<b>boot</b>")
    page.locator("#review-label").press("Enter")
    sync_api.expect(page.locator("#review-note")).to_have_text("Labelled <b>boot</b>.")
    sync_api.expect(page.locator("#review-summary")).to_have_text("2 images wait.")
    page.locator("#review-card [data-review]").focus()
    page.keyboard.press("d")
    sync_api.expect(page.locator("#review-note")).to_have_text("Dismissed.")
    sync_api.expect(page.locator("#review-summary")).to_have_text("1 image waits.")
    states = {i["id"]: i for i in service.get("/v1/review")["items"]}
    assert states[first]["label"] == "<b>boot</b>" and sorted(i["state"] for i in states.values()) == ["dismissed", "labelled", "waiting"]
    assert page.errors == []
