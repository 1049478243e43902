// What the page brings along: words in its language, addresses, whose door it is.
const told = JSON.parse(document.getElementById("door-data").textContent);

export const { canSell, csrf, event, paths, readers, texts, types = [] } = told;
