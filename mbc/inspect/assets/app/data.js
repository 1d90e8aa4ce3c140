// The data of the report: JSON, compressed, with nodes and lines that stages share kept once.

export async function readData(element) {
  const packed = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return unpack(JSON.parse(await new Response(stream).text()));
}

function unpack(data) {
  const graphs = data.graphs.map((graph) => ({
    ...graph,
    nodes: graph.nodes.map((index) => data.nodes[index]),
    text: graph.text.map((index) => data.lines[index]),
  }));
  return { ...data, graphs };
}
