from dataclasses import replace

import numpy as np
import pytest
from browsing import shown as in_a_browser

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.lifting import page
from examples.hgn_pose.lifting.filming import film, truth
from examples.hgn_pose.lifting.gaps import FROM_VIEWS
from examples.hgn_pose.lifting.outputs.body_clip import with_body
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body
from examples.hgn_pose.lifting.prediction import select

FRAMES = 12


@pytest.fixture(scope="module")
def clip():
    """True poses, and a prediction that misses each by 3 cm and lacked one joint."""
    true = select(truth(film("walk", 0)), np.arange(FRAMES))
    origin = true.origin.copy()
    origin[4:, 13] = FROM_VIEWS
    pose = true.pose.copy()
    pose[:, 1:, 2] += 0.03
    return replace(
        true, pose=pose, origin=origin, facts={"person": "<b>&", "repaired": ["a", "b"]}
    ), true


def test_long_clips_are_thinned_out_and_it_is_said(clip):
    prediction, true = clip
    html = page.render(prediction, true, 5, None)
    assert '"frames": [0, 3, 6, 9]' in html
    assert "4 frames, one in 3 of the clip" in html
    assert "12 frames. Drag" in page.render(prediction, true, FRAMES, None)
    assert len(page.render(prediction, true, 1, None)) < len(html)


def test_facts_are_escaped_and_lists_are_lines(clip):
    prediction, true = clip
    html = page.render(prediction, true, 1, None)
    assert "<dd>a; b</dd>" in html
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html


def test_what_cannot_be_shown_is_refused(clip):
    prediction, true = clip
    with pytest.raises(ValueError, match="page_frames must be at least 1"):
        page.render(prediction, true, 0, None)
    with pytest.raises(ValueError, match="truth has other frames"):
        page.render(prediction, select(true, np.arange(5)), 10, None)
    far = replace(prediction, pose=prediction.pose * 10)
    with pytest.raises(ValueError, match="m from the pelvis, which no body does"):
        page.render(far, None, 10, None)


@pytest.fixture(scope="module")
def shown(clip, tmp_path_factory):
    """The page in a browser, and all that it asked for and complained about."""
    prediction, true = clip
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page.render(prediction, true, 100, load_body()))
    with in_a_browser(path, 1300, 850) as (tab, events):
        tab.wait_for_selector("body[data-ready]", state="attached", timeout=120_000)
        tab.events, tab.home = events, path.as_uri()
        yield tab


def go_to(tab, frame):
    tab.evaluate(
        "value => { const slider = document.getElementById('time'); slider.value = value;"
        "slider.dispatchEvent(new Event('input')); }",
        frame,
    )


def markers(tab, person):
    """The joints that the scene shows, shape (17, 3): x, depth, up."""
    trace = f"document.getElementById('{person}').data.at(-1)"
    return np.array(tab.evaluate(f"[{trace}.x, {trace}.y, {trace}.z]")).T


@pytest.mark.slow
def test_the_page_works_alone_and_without_complaint(shown):
    go_to(shown, 5)
    shown.screenshot()
    assert shown.events == [("request", shown.home)]


@pytest.mark.slow
def test_the_buttons_of_the_plots_send_nothing_and_stand_together(shown):
    titles = shown.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)"
    )
    assert "Zoom" in titles
    assert not [title for title in titles if "hare" in title or "loud" in title]
    width = "Math.max(...[...document.querySelectorAll('.modebar-btn')].map(b => b.offsetWidth))"
    assert shown.evaluate(width) < 40


@pytest.mark.slow
def test_the_slider_moves_image_and_scenes(shown, clip):
    pictures = []
    for frame in (2, 9):
        go_to(shown, frame)
        for person, expected in zip(("predicted", "true"), clip, strict=True):
            pose = expected.pose[frame][:, [0, 2, 1]] * [1, 1, -1]
            np.testing.assert_allclose(markers(shown, person), pose, atol=6e-5)
        seen = np.array(
            shown.evaluate("document.getElementById('input').data.slice(3).flatMap(d => d.x)")
        )
        np.testing.assert_allclose(np.sort(seen), np.sort(clip[0].image[frame][:, 0]), rtol=1e-5)
        assert f"frame {frame}" in shown.inner_text("#now")
        assert "28.2 mm" in shown.inner_text("#error")
        shown.wait_for_timeout(300)
        pictures.append(shown.locator("#predicted").screenshot())
    assert pictures[0] != pictures[1]
    assert "1 of 17 joints were not seen" in shown.inner_text("#filled")


@pytest.mark.slow
def test_the_body_is_skinned_in_the_browser_as_here(shown, clip):
    body = load_body()
    for frame in (3, 8):
        go_to(shown, frame)
        for person, expected in zip(("predicted", "true"), clip, strict=True):
            trace = f"document.getElementById('{person}').data[0]"
            columns = shown.evaluate(f"[...'xyz'].map(axis => Array.from({trace}[axis]))")
            fitted = with_body(body, expected)
            posed = drawn_body(body).posed(body, fitted.poses)[frame] - fitted.joints[frame, 0]
            np.testing.assert_allclose(np.array(columns).T, posed, atol=1e-4)


@pytest.mark.slow
def test_axes_are_equal_and_y_points_down_in_the_image(shown):
    scene = shown.evaluate(
        "(({aspectratio: a, ...s}) => ['x', 'y', 'z'].map("
        "k => [...s[k + 'axis'].range, a[k]]))(document.getElementById('predicted').layout.scene)"
    )
    scale = [(high - low) / ratio for low, high, ratio in scene]
    np.testing.assert_allclose(scale, scale[0])
    bottom, top = shown.evaluate("document.getElementById('input').layout.yaxis.range")
    assert bottom > top
    colours = shown.evaluate("document.getElementById('true').data.at(-1).marker.color")
    assert len({colours[0], colours[1], colours[4]}) == 3


@pytest.mark.slow
def test_play_moves_on_and_boxes_hide(shown):
    go_to(shown, 0)
    play = "document.getElementById('play').click()"
    shown.evaluate(play)
    shown.wait_for_function("Number(document.getElementById('time').value) > 0", timeout=60_000)
    shown.evaluate(play)
    stopped = shown.inner_text("#now")
    shown.wait_for_timeout(300)
    assert shown.inner_text("#now") == stopped
    visible = "document.getElementById('predicted').data.map(d => d.visible)"
    assert shown.evaluate(visible) == [True, False, False, False, False, True, True, True, True]
    shown.evaluate("document.querySelector('[data-group=mesh48]').click()")
    shown.evaluate("document.querySelector('[data-group=pose]').click()")
    assert shown.evaluate(visible) == [True, True, True, False, False, False, False, False, False]


CLOCK = """
window.real = { frame: window.requestAnimationFrame, now: performance.now };
window.clock = 1000;
performance.now = () => window.clock;
window.requestAnimationFrame = (draw) => {
  if (draw.name !== "play") return window.real.frame.call(window, draw);
  window.next = draw;
  return 1;
};
null;
"""
"""The time of what plays the clip stands still until a test moves it; Plotly goes on drawing."""


@pytest.mark.slow
def test_the_clip_keeps_time_however_few_frames_the_browser_draws(shown, clip):
    seconds = (clip[0].frame - clip[0].frame[0]) / clip[0].fps
    period = seconds[-1] * FRAMES / (FRAMES - 1)
    go_to(shown, 0)
    shown.evaluate(CLOCK)
    shown.evaluate("document.getElementById('play').click()")
    for passed in (0.001, 0.4 * period, 0.9 * period, 1.3 * period, 7.55 * period):
        shown.evaluate(f"window.clock = 1000 + {1000 * passed}; window.next(window.clock)")
        due = np.searchsorted(seconds, passed % period, side="right") - 1
        assert shown.evaluate("Number(document.getElementById('time').value)") == due
    shown.evaluate("document.getElementById('play').click()")
    shown.evaluate(
        "window.requestAnimationFrame = window.real.frame; performance.now = window.real.now;null"
    )
