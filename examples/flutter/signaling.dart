// Signaling for flutter_webrtc, as Oodaa's app does it. Not compiled here.
//
// pubspec.yaml: socket_io_client: ^2.0.3, flutter_webrtc: ^0.12.0

import 'package:flutter_webrtc/flutter_webrtc.dart';
import 'package:socket_io_client/socket_io_client.dart' as io;

class Signaling {
  Signaling(String server, this.userId) {
    socket = io.io(server, io.OptionBuilder().setTransports(['websocket']).build());
    socket.onConnect((_) => socket.emit('register', {'userId': userId}));
    socket.on('offer', (data) async {
      final pc = await connect(data['from']);
      await pc.setRemoteDescription(RTCSessionDescription(data['offer']['sdp'], 'offer'));
      final answer = await pc.createAnswer();
      await pc.setLocalDescription(answer);
      socket.emit('answer', {'to': data['from'], 'from': userId, 'answer': answer.toMap()});
    });
    socket.on('answer', (data) => call?.setRemoteDescription(RTCSessionDescription(data['answer']['sdp'], 'answer')));
    socket.on('ice-candidate', (data) {
      final c = data['candidate'];
      call?.addCandidate(RTCIceCandidate(c['candidate'], c['sdpMid'], c['sdpMLineIndex']));
    });
    socket.on('error', (text) => print('signaling: $text'));
  }

  final String userId;
  late final io.Socket socket;
  RTCPeerConnection? call;

  Future<void> offer(String peer) async {
    final pc = await connect(peer);
    final offer = await pc.createOffer();
    await pc.setLocalDescription(offer);
    socket.emit('offer', {'to': peer, 'from': userId, 'offer': offer.toMap()});
  }

  Future<RTCPeerConnection> connect(String peer) async {
    final pc = call = await createPeerConnection({'iceServers': []});
    final media = await navigator.mediaDevices.getUserMedia({'audio': true, 'video': true});
    for (final track in media.getTracks()) {
      await pc.addTrack(track, media);
    }
    pc.onIceCandidate = (c) => socket.emit('ice-candidate', {'to': peer, 'from': userId, 'candidate': c.toMap()});
    return pc;
  }
}
