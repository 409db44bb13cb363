// Two who begin at the same time.

// holdOffers lets offers reach a page only once it has sent one itself.
export async function holdOffers(page) {
  await page.routeWebSocket(/\/(socket\.io|signaling)/, (client) => {
    const server = client.connectToServer();
    const held = [];
    let sent = false;
    client.onMessage((message) => {
      server.send(message);
      if (!/^(42\d*\["offer"|\{"type":"offer")/.test(message)) return;
      sent = true;
      for (const late of held.splice(0)) client.send(late);
    });
    server.onMessage((message) => {
      // What comes after the offer must not overtake it.
      if (!sent && (held.length || /^(42\["offer"|\{"type":"offer")/.test(message))) held.push(message);
      else client.send(message);
    });
  });
}
