// message/send as a usual server would do it: socket.io, mysql2 with 16 pooled connections, one transaction a message.
// The same tables, locks, checks and rows as ours; who somebody is, they say themselves. It prints its port.
import { createServer } from 'node:http'
import mysql from 'mysql2/promise'
import { Server } from 'socket.io'

const pool = mysql.createPool({
  ...JSON.parse(process.argv[2]),
  connectionLimit: 16,
  timezone: 'Z',
  supportBigNumbers: true,
})
pool.pool.on('connection', (connection) => connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'))

class Refused extends Error {}

async function deliver(tx, sender, target, randomId, body) {
  const [low, high] = sender < target ? [sender, target] : [target, sender]
  const side = sender === low ? 'low' : 'high'
  const other = sender === low ? 'high' : 'low'
  const [accounts] = await tx.query('SELECT id, state FROM account WHERE id IN (?, ?) LOCK IN SHARE MODE', [low, high])
  if (accounts.length !== 2 || accounts.some((account) => account.state !== 1)) throw new Refused('not_found')
  const [[pair]] = await tx.query('SELECT * FROM pair WHERE low_id = ? AND high_id = ? FOR UPDATE', [low, high])
  if (!pair?.connected || pair.low_blocked_at || pair.high_blocked_at) throw new Refused('not_connected')
  const [[first]] = await tx.query(
    'SELECT seq, body, sent_at FROM message WHERE low_id = ? AND high_id = ? AND sender_id = ? AND random_id = ?',
    [low, high, sender, randomId],
  )
  if (first) return { pushes: [], sent: { seq: first.seq, sent_at: first.sent_at } }
  const now = new Date()
  const seq = pair.last_seq + 1
  await tx.query('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)', [low, high, seq, sender, randomId, body, now])
  await tx.query(
    `UPDATE pair SET last_seq = ?, active_at = ?, ${side}_unanswered = ${side}_unanswered + 1,
     ${other}_unanswered = 0, ${other}_unread = ${other}_unread + 1 WHERE low_id = ? AND high_id = ?`,
    [seq, now, low, high],
  )
  const [counted] = await tx.query(
    `UPDATE notification n LEFT JOIN reminder r ON r.user_id = n.user_id
     SET n.count = n.count + 1, n.at = ?, r.due_at = COALESCE(r.due_at, ?)
     WHERE n.user_id = ? AND n.kind = 6 AND n.other_id = ? AND n.is_read = 0`,
    [now, now, target, sender],
  )
  const told = [[low, 1, high, seq], [high, 1, low, seq]]
  if (!counted.affectedRows) {
    await tx.query(
      `INSERT INTO notification (user_id, kind, other_id, at) VALUES (?, 6, ?, ?)
       ON DUPLICATE KEY UPDATE count = 1, at = VALUES(at), is_read = 0`,
      [target, sender, now],
    )
    await tx.query('INSERT IGNORE INTO reminder (user_id, due_at) VALUES (?, ?)', [target, now])
    told.push([target, 4, sender, 6])
  }
  const more = (user) => told.filter(([id]) => id === user).length
  await tx.query(
    `INSERT INTO user_stream (user_id, last_seq) VALUES (?, ?), (?, ?)
     ON DUPLICATE KEY UPDATE last_seq = last_seq + VALUES(last_seq)`,
    [low, more(low), high, more(high)],
  )
  const [streams] = await tx.query(
    'SELECT user_id, last_seq FROM user_stream WHERE user_id IN (?, ?) FOR UPDATE', [low, high],
  )
  const next = new Map(streams.map((stream) => [stream.user_id, stream.last_seq - more(stream.user_id)]))
  const rows = told.map(([user, kind, about, number]) => {
    next.set(user, next.get(user) + 1)
    return [user, next.get(user), kind, about, number, 0, now]
  })
  await tx.query('INSERT INTO user_event VALUES ?', [rows])
  const message = { seq, from_user_id: sender, message: body, sent_at: now }
  const pushes = rows.filter(([, , kind]) => kind === 1).map(([user, place, , about]) => {
    const shown = user === sender ? { ...message, random_id: randomId } : message
    return [user, { seq: place, at: now, user_id: about, message: shown }]
  })
  return { pushes, sent: { seq, sent_at: now } }
}

async function transact(work) {
  for (let attempt = 1; ; attempt++) {
    const tx = await pool.getConnection()
    try {
      await tx.beginTransaction()
      const result = await work(tx)
      await tx.commit()
      return result
    } catch (error) {
      await tx.rollback()
      if (attempt === 5 || ![1213, 1205].includes(error.errno)) throw error
    } finally {
      tx.release()
    }
  }
}

const http = createServer()
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false })
io.on('connection', (socket) => {
  const me = socket.handshake.auth.id
  socket.join(`${me}`)
  socket.on('message/send', async (data, ack) => {
    try {
      const { target_user_id: target, random_id: randomId, message } = data
      const { pushes, sent } = await transact((tx) => deliver(tx, me, target, randomId, message))
      for (const [user, push] of pushes) io.to(`${user}`).emit('message/new', push)
      ack({ code: 200, data: sent })
    } catch (error) {
      ack({ code: 500, error: { name: 'internal', message: error.message } })
    }
  })
})
http.listen(0, '127.0.0.1', 8192, () => console.log(http.address().port))
