// Asks for addresses on behalf of lookout.js. In a worker, because there a refused connection leaves no error
// in the console of the page, and nobody has done anything wrong while a server is not up yet.

onmessage = async ({ data: { number, url } }) => {
  postMessage({ number, ...await read(url) });
};

const get = (url, mode) => fetch(url, { mode, cache: 'no-store', signal: AbortSignal.timeout(3000) });

// The text; or 'closed' if there is an answer that may not be read, 'silent' if there is none, 'absent' if nobody is there.
async function read(url) {
  try {
    const answer = await get(url, 'cors');
    return answer.ok ? { text: await answer.text() } : { state: 'absent' };
  } catch (error) {
    if (error.name === 'TimeoutError') return { state: 'silent' };
    return get(url, 'no-cors').then(() => ({ state: 'closed' }), () => ({ state: 'absent' }));
  }
}
