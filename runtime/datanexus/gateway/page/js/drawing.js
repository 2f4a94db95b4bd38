/**
 * The plan as a drawing: a layered graph, top to bottom. A node's layer is its longest way from a source; nodes of a
 * layer are ordered by where their neighbours stand, swept down and up until nothing crosses less; edges are curves.
 * Layout is pure and knows sizes only, so a test can check it without a browser.
 */

import { svg } from "./elements.js";

const GAP_X = 20;
const GAP_Y = 34;
const SWEEPS = 8;
const PADDING = 12;
const LINE = 16;
const TITLE_WIDTH = 7.7; // of a character
const DETAIL_WIDTH = 7.1;
const WIDE = 320;
const NARROW = 190;
const LEAST = 136; // narrower than that it scrolls
const LINES_MAX = 14;

/** Nodes of known size and edges → {width, height, nodes: [{…, x, y}], edges: [[x1, y1, x2, y2, isLong]]}. */
export function layout(nodes, edges) {
  const layers = layersOf(nodes, edges);
  order(layers, edges);
  const heights = layers.map((layer) => Math.max(...layer.map((node) => node.height)));
  const widths = layers.map((layer) => layer.reduce((sum, node) => sum + node.width + GAP_X, -GAP_X));
  const width = Math.max(...widths);
  let y = 0;
  layers.forEach((layer, depth) => {
    let x = (width - widths[depth]) / 2;
    for (const node of layer) {
      Object.assign(node, { x, y, depth });
      x += node.width + GAP_X;
    }
    y += heights[depth] + GAP_Y;
  });
  const byId = new Map(layers.flat().map((node) => [node.id, node]));
  const drawn = edges.filter(([from, to]) => byId.has(from) && byId.has(to)).map(([from, to]) => {
    const [a, b] = [byId.get(from), byId.get(to)];
    return { from: [a.x + a.width / 2, a.y + a.height], to: [b.x + b.width / 2, b.y] };
  });
  return { width, height: y - GAP_Y, nodes: [...byId.values()], edges: drawn };
}

/** The drawing as an SVG element for a space of `room` pixels. */
export function drawPlan({ nodes, edges }, room) {
  const beside = Math.max(...layersOf(nodes, edges).map((layer) => layer.length), 1);
  const most = Math.min(Math.max((room - 34 - GAP_X * (beside - 1)) / beside, LEAST), WIDE);
  const sized = nodes.map((node) => sizedNode(node, most));
  const plan = layout(sized, edges);
  const width = plan.width + 4;
  const height = plan.height + 4;
  const label = `The plan: ${nodes.length} parts, from ${nodes.filter((node) => node.kind === "source").length} sources to ${nodes.filter((node) => node.kind === "view").length} views. The same as text follows below.`;
  const drawing = svg("svg", { width, height, viewBox: `-2 -2 ${width} ${height}`, role: "img", "aria-label": label });
  for (const edge of plan.edges) drawing.append(...edgeMarks(edge));
  for (const node of plan.nodes) drawing.append(nodeMark(node));
  return drawing;
}

function layersOf(nodes, edges) {
  const depth = new Map(nodes.map((node) => [node.id, 0]));
  for (let round = 0; round < nodes.length; round += 1) {
    let moved = false;
    for (const [from, to] of edges) {
      if (!depth.has(from) || !depth.has(to) || depth.get(to) > depth.get(from)) continue;
      depth.set(to, depth.get(from) + 1);
      moved = true;
    }
    if (!moved) break;
  }
  const layers = [];
  for (const node of nodes) (layers[depth.get(node.id)] ??= []).push({ ...node });
  return layers.filter(Boolean);
}

function order(layers, edges) {
  const at = new Map();
  const note = (layer) => layer.forEach((node, index) => at.set(node.id, (index + 1) / (layer.length + 1)));
  layers.forEach(note);
  const near = new Map();
  for (const [from, to] of edges) {
    near.set(from, [...(near.get(from) ?? []), to]);
    near.set(to, [...(near.get(to) ?? []), from]);
  }
  const middle = (node) => {
    const places = (near.get(node.id) ?? []).map((id) => at.get(id)).filter((place) => place !== undefined);
    return places.length ? places.reduce((sum, place) => sum + place, 0) / places.length : at.get(node.id);
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const keyed = layer.map((node, index) => [middle(node), index, node]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      layer.splice(0, layer.length, ...keyed.map(([, , node]) => node));
      note(layer);
    }
  }
}

function sizedNode(node, most) {
  const perLine = Math.floor((most - 2 * PADDING - 4) / DETAIL_WIDTH);
  const wrapped = (node.lines ?? []).flatMap((line) => fold(line, perLine));
  const lines = wrapped.length > LINES_MAX ? [...wrapped.slice(0, LINES_MAX - 1), `… ${wrapped.length - LINES_MAX + 1} more lines`] : wrapped;
  const title = fold(node.title, Math.floor((most - 2 * PADDING - 4) / TITLE_WIDTH));
  const longest = Math.max(...lines.map((line) => line.length * DETAIL_WIDTH), ...title.map((line) => line.length * TITLE_WIDTH), 60);
  const width = Math.min(Math.max(longest + 2 * PADDING + 6, Math.min(NARROW, most)), most);
  return { ...node, title, lines, width, height: 2 * PADDING + 14 + (title.length + lines.length) * LINE + (lines.length ? 4 : 0) - 4 };
}

/** A line in pieces of at most `most` characters, broken at spaces where there are some. */
function fold(line, most) {
  const pieces = [];
  let left = line;
  while (left.length > most) {
    const space = left.lastIndexOf(" ", most);
    const end = space > most / 3 ? space : most;
    pieces.push(left.slice(0, end));
    left = `  ${left.slice(end).trimStart()}`;
  }
  return [...pieces, left];
}

function nodeMark(node) {
  const group = svg("g", { class: "node", "data-kind": node.kind, transform: `translate(${node.x} ${node.y})` });
  group.append(svg("rect", { width: node.width, height: node.height, rx: 5 }));
  group.append(svg("rect", { class: "stripe", width: 4, height: node.height - 2, x: 0.5, y: 1, rx: 2 }));
  let y = PADDING + 9;
  const text = (name, content, step) => {
    group.append(svg("text", { class: name, x: PADDING + 4, y, text: content, "xml:space": "preserve" }));
    y += step;
  };
  text("kind", node.kind, LINE);
  node.title.forEach((line) => text("title", line, LINE));
  y += 3;
  node.lines.forEach((line) => text("detail", line, LINE));
  return group;
}

function edgeMarks({ from, to }) {
  const [[x1, y1], [x2, y2]] = [from, to];
  const bend = Math.min((y2 - y1) / 2, 60);
  const end = y2 - 6;
  return [
    svg("path", { class: "edge", d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${end - bend} ${x2} ${end}` }),
    svg("path", { class: "edge-head", d: `M${x2 - 4} ${end}h8l-4 6z` }),
  ];
}
