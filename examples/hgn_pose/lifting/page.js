"use strict";
(() => {
  const page = JSON.parse(document.getElementById("content").textContent);
  const { people, edges, sides, meshes, frames, seconds, skin } = page;
  const colours = { right: "#1f5fbf", left: "#e07a1f", middle: "#57606a" };
  const find = (id) => document.getElementById(id);

  const decode = (text, type) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new type(bytes.buffer);
  };
  const image = decode(page.image, Float32Array);
  const origin = decode(page.origin, Uint8Array);
  const joints = sides.length;
  if (skin) {
    skin.faces = decode(skin.faces, Uint16Array);
    skin.bones = decode(skin.bones, Uint8Array);
    skin.weights = decode(skin.weights, Float32Array);
  }
  for (const person of people) {
    if (skin) {
      person.rest = decode(person.body.rest, Float32Array);
      person.maps = decode(person.body.maps, Float32Array);
    }
    person.pose = decode(person.pose, Int16Array);
    person.meshes = person.meshes.map((vertices) => decode(vertices, Int16Array));
  }

  // Camera axes (x right, y down, z away; steps of 0.1 mm) to the scene's (z up), metres.
  const place = (values, first, node) => {
    const at = first + 3 * node;
    return [values[at] * 1e-4, values[at + 2] * 1e-4, -values[at + 1] * 1e-4];
  };

  const nodes = (count, of) => {
    const columns = [[], [], []];
    for (let node = 0; node < count; node++) of(node).forEach((v, axis) => columns[axis].push(v));
    return columns;
  };
  const lines = (pairs, of) => {
    const columns = [[], [], []];
    for (const [a, b] of pairs) {
      const [from, to] = [of(a), of(b)];
      from.forEach((v, axis) => columns[axis].push(v, to[axis], null));
    }
    return columns;
  };
  // Linear blend skinning: a vertex goes to the weighted mean of where its four bones take it.
  const skinned = (person, t) => {
    const { rest, maps } = person;
    const count = rest.length / 3;
    const first = t * (maps.length / frames.length);
    const columns = [0, 1, 2].map(() => new Float32Array(count));
    for (let vertex = 0; vertex < count; vertex++) {
      const [x, y, z] = [rest[3 * vertex], rest[3 * vertex + 1], rest[3 * vertex + 2]];
      for (let k = 4 * vertex; k < 4 * vertex + 4; k++) {
        const weight = skin.weights[k];
        if (weight === 0) continue;
        let at = first + 12 * skin.bones[k];
        for (let axis = 0; axis < 3; axis++, at += 4) {
          columns[axis][vertex] += weight
            * (maps[at] * x + maps[at + 1] * y + maps[at + 2] * z + maps[at + 3]);
        }
      }
    }
    return columns;
  };
  // A bone belongs to the side of its far end.
  const bones = (side) => edges.filter(([, end]) => sides[end] === side);

  // What is drawn of one person: each layer gives its columns at a frame.
  const layersOf = (person) => {
    const layers = [];
    if (skin) {
      const corners = [0, 1, 2].map((corner) => skin.faces.filter((_, i) => i % 3 === corner));
      const [i, j, k] = corners;
      layers.push({
        group: "body",
        trace: { type: "mesh3d", i, j, k, color: "#dcbfa5", opacity: 1, flatshading: false,
          hoverinfo: "skip", lightposition: { x: -2000, y: -4000, z: 4000 },
          lighting: { ambient: 0.5, diffuse: 0.75, specular: 0.08, roughness: 0.8,
            fresnel: 0.1 } },
        columns: (t) => skinned(person, t),
      });
    }
    meshes.forEach((mesh, m) => {
      const at = (t) => (node) => place(person.meshes[m], 3 * mesh.nodes * t, node);
      const [i, j, k] = [0, 1, 2].map((corner) => mesh.faces.map((face) => face[corner]));
      layers.push({
        group: `mesh${mesh.nodes}`,
        trace: { type: "mesh3d", i, j, k, color: "#d3b79f", opacity: 0.5, flatshading: true,
          hoverinfo: "skip",
          lighting: { ambient: 0.65, diffuse: 0.6, specular: 0.05, roughness: 0.9 } },
        columns: (t) => nodes(mesh.nodes, at(t)),
      }, {
        group: `mesh${mesh.nodes}`,
        trace: { type: "scatter3d", mode: "lines", hoverinfo: "skip",
          line: { color: "#8d735f", width: 3 } },
        columns: (t) => lines(mesh.edges, at(t)),
      });
    });
    const at = (t) => (node) => place(person.pose, 3 * joints * t, node);
    for (const side of Object.keys(colours)) {
      layers.push({
        group: "pose",
        trace: { type: "scatter3d", mode: "lines", hoverinfo: "skip",
          line: { color: colours[side], width: 9 } },
        columns: (t) => lines(bones(side), at(t)),
      });
    }
    layers.push({
      group: "pose",
      trace: { type: "scatter3d", mode: "markers", text: page.names,
        hovertemplate: "%{text}<br>x %{x:.3f}, depth %{y:.3f}, up %{z:.3f} m<extra></extra>",
        marker: { size: 4, color: sides.map((side) => colours[side]) } },
      columns: (t) => nodes(joints, at(t)),
    });
    return layers;
  };

  const config = { displaylogo: false, responsive: true, showSendToCloud: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d",
      "resetCameraLastSave3d", "tableRotation"] };
  const font = { family: getComputedStyle(document.body).fontFamily, color: "#57606a", size: 11 };

  const sceneLayout = () => {
    const axis = (range, title) => ({ range, title: { text: title, font }, tickfont: font,
      dtick: 0.5, tickformat: ".1f", gridcolor: "#d8dee4", zeroline: false, showspikes: false,
      backgroundcolor: "#f6f8fa" });
    const { low, high } = page.reach;
    const size = high.map((value, a) => value - low[a]);
    const most = Math.max(...size);
    const [x, y, z] = size.map((value) => 1.25 * value / most);
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "#fff",
      scene: {
        xaxis: axis([low[0], high[0]], "x (m)"),
        yaxis: axis([low[1], high[1]], "depth (m)"),
        zaxis: { ...axis([low[2], high[2]], "up (m)"), showbackground: false },
        aspectmode: "manual", aspectratio: { x, y, z },
        camera: { eye: { x: 0.9, y: -1.9, z: 0.5 }, center: { x: 0, y: 0, z: -0.06 } },
      },
    };
  };

  const drawings = people.map((person) => ({ div: find(person.id), layers: layersOf(person) }));
  const shown = new Set(["pose", skin ? "body" : `mesh${meshes.at(-1)?.nodes}`]);

  const flat = (t) => {
    const at = (node) => [image[2 * (joints * t + node)], image[2 * (joints * t + node) + 1]];
    const sets = Object.keys(colours).map((side) => lines(bones(side), at));
    const all = sides.map((_, node) => node);
    const sure = all.filter((node) => origin[joints * t + node] === 0);
    const filled = all.filter((node) => origin[joints * t + node] !== 0);
    for (const some of [sure, filled]) sets.push(nodes(some.length, (i) => at(some[i])));
    return { sets, sure, filled };
  };

  const drawInput = () => {
    const { sets } = flat(0);
    const kinds = [
      ...Object.values(colours).map((color) => ({ mode: "lines", line: { color, width: 4 } })),
      { mode: "markers", marker: { size: 7, color: "#24292f" } },
      { mode: "markers",
        marker: { size: 9, color: "#fff", line: { color: "#24292f", width: 1.6 } } },
    ];
    const traces = kinds.map((kind, i) => ({ type: "scatter", hoverinfo: "skip", x: sets[i][0],
      y: sets[i][1], ...kind, ...(i > 2 && { hoverinfo: "text" }) }));
    const [width, height] = page.size;
    const [left, top, right, bottom] = page.crop;
    const axis = { showgrid: false, zeroline: false, ticks: "outside", tickcolor: "#d8dee4",
      tickfont: font };
    return Plotly.newPlot(find("input"), traces, {
      margin: { l: 46, r: 14, t: 8, b: 34 }, showlegend: false, paper_bgcolor: "#fff",
      plot_bgcolor: "#eef1f4", dragmode: "pan",
      xaxis: { ...axis, range: [left, right], constrain: "domain",
        title: { text: "x (pixels)", font, standoff: 4 } },
      yaxis: { ...axis, range: [bottom, top], scaleanchor: "x", constrain: "domain",
        title: { text: "y (pixels)", font, standoff: 4 } },
      shapes: [{ type: "rect", x0: 0, y0: 0, x1: width, y1: height, layer: "below",
        fillcolor: "#fff", line: { color: "#8b949e", width: 1 } }],
    }, config);
  };

  const drawPeople = () => drawings.map(({ div, layers }) => {
    const traces = layers.map(({ trace, columns, group }) => {
      const [x, y, z] = columns(0);
      return { ...trace, x, y, z, visible: shown.has(group) };
    });
    return Plotly.newPlot(div, traces, sceneLayout(), config);
  });

  let current = 0;
  const update = (t) => {
    current = t;
    const { sets, sure, filled } = flat(t);
    const label = (node) => `${page.names[node]} ${["", "(interpolated)", "(from views alike)"][
      origin[joints * t + node]]}`;
    Plotly.restyle(find("input"), { x: sets.map((set) => set[0]), y: sets.map((set) => set[1]),
      text: [null, null, null, sure.map(label), filled.map(label)] });
    for (const { div, layers } of drawings) {
      const which = layers.flatMap(({ group }, i) => (shown.has(group) ? [i] : []));
      if (!which.length) continue;
      const columns = which.map((i) => layers[i].columns(t));
      const [x, y, z] = [0, 1, 2].map((axis) => columns.map((column) => column[axis]));
      Plotly.restyle(div, { x, y, z }, which);
    }
    find("time").value = t;
    find("now").textContent = `frame ${frames[t]}  (${seconds[t].toFixed(2)} s)`;
    find("filled").textContent = filled.length
      ? `${filled.length} of ${joints} joints were not seen: hollow` : "";
    if (page.errors) {
      find("error").textContent = `error of this frame: ${page.errors[t].toFixed(1)} mm`;
      Plotly.relayout(find("errors"), { "shapes[0].x0": frames[t], "shapes[0].x1": frames[t] });
    }
  };

  const drawErrors = () => {
    const axis = { tickfont: font, gridcolor: "#e5e9ed", zeroline: false };
    const plot = Plotly.newPlot(find("errors"), [{ type: "scatter", mode: "lines", x: frames,
      y: page.errors, line: { color: "#cf4a1d", width: 2 },
      hovertemplate: "frame %{x}: %{y:.1f} mm<extra></extra>" }], {
      margin: { l: 46, r: 14, t: 8, b: 34 }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
      xaxis: { ...axis, title: { text: "frame", font, standoff: 4 } },
      yaxis: { ...axis, rangemode: "tozero", title: { text: "mm", font, standoff: 4 } },
      shapes: [{ type: "line", x0: frames[0], x1: frames[0], yref: "paper", y0: 0, y1: 1,
        line: { color: "#24292f", width: 1.5 } }],
    }, config);
    find("errors").on("plotly_click", ({ points }) => update(points[0].pointIndex));
    return plot;
  };

  // Turning one scene turns the other.
  const linkCameras = () => {
    for (const { div } of drawings) {
      const others = drawings.filter((other) => other.div !== div);
      div.on("plotly_relayouting", (change) => follow(change, others));
      div.on("plotly_relayout", (change) => follow(change, others));
    }
  };
  let following = false;
  const follow = (change, others) => {
    const camera = change["scene.camera"];
    if (!camera || following) return;
    following = true;
    Promise.all(others.map(({ div }) => Plotly.relayout(div, { "scene.camera": camera })))
      .then(() => { following = false; });
  };

  // The clip goes round; its last frame stays as long as the mean of the others.
  const last = frames.length - 1;
  const period = seconds[last] * (1 + 1 / Math.max(last, 1));
  let began = null;
  const start = () => { began = { clock: performance.now(), seconds: seconds[current] }; };
  const play = (now) => {
    if (began === null) return;
    const passed = Math.max(now - began.clock, 0) / 1000 * Number(find("speed").value);
    const time = (began.seconds + passed) % period;
    let t = seconds.findIndex((second) => second > time) - 1;
    if (t < 0) t = last;
    if (t !== current) update(t);
    requestAnimationFrame(play);
  };
  const toggle = () => {
    if (began === null) start();
    else began = null;
    find("play").textContent = began === null ? "Play" : "Pause";
    if (began !== null) requestAnimationFrame(play);
  };
  const step = (by) => {
    if (began !== null) toggle();
    update(Math.min(Math.max(current + by, 0), frames.length - 1));
  };

  Promise.all([drawInput(), ...drawPeople(), ...(page.errors ? [drawErrors()] : [])]).then(() => {
    linkCameras();
    update(0);
    find("play").addEventListener("click", toggle);
    find("time").addEventListener("input", (event) => {
      if (began !== null) toggle();
      update(Number(event.target.value));
    });
    find("speed").addEventListener("change", () => {
      if (began !== null) start();
    });
    for (const box of document.querySelectorAll("[data-group]")) {
      box.checked = shown.has(box.dataset.group);
      box.addEventListener("change", () => {
        shown[box.checked ? "add" : "delete"](box.dataset.group);
        update(current);
        for (const { div, layers } of drawings) {
          Plotly.restyle(div, { visible: layers.map(({ group }) => shown.has(group)) });
        }
      });
    }
    document.addEventListener("keydown", (event) => {
      if (frames.length < 2 || ["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
      if (event.key === " ") toggle();
      else if (event.key === "ArrowRight") step(1);
      else if (event.key === "ArrowLeft") step(-1);
      else return;
      event.preventDefault();
    });
    document.body.dataset.ready = "yes";
  });
})();
