function y = evaluate(path, x)
% EVALUATE  Outputs of a network that fastbp saved as a safetensors file, in MATLAB or Octave.
%
%   y = evaluate('net.safetensors', x)
%
% x has a sample in each row, and so has y. Layers with skip-layer connections or without; not networks of single units.
  [tensors, described] = read_safetensors(path);
  if ~isfield(described, 'sizes')
    error('%s: a network that is given by its edges', path);
  end
  functions = cellstr(described.functions);
  z = {x};
  for k = 1:numel(functions)
    a = z{k} * tensors.(sprintf('x%d_weight', 2 * (k - 1)))';
    bias = sprintf('x%d_bias', 2 * (k - 1));
    if isfield(tensors, bias)
      a = bsxfun(@plus, a, tensors.(bias)');
    end
    for i = 0:k - 2
      skip = sprintf('skip_%d_%d_weight', i, k);
      if isfield(tensors, skip)
        a = a + z{i + 1} * tensors.(skip)';
      end
    end
    z{k + 1} = activate(functions{k}, a);
  end
  y = z{end};
end

function [tensors, described] = read_safetensors(path)
% The tensors, by their names with _ for the points, and what the file says of the network.
  file = fopen(path, 'r', 'ieee-le');
  if file < 0
    error('%s cannot be read', path);
  end
  closing = onCleanup(@() fclose(file));
  n_bytes = fread(file, 1, 'uint64=>double');
  header = jsondecode(fread(file, [1 n_bytes], 'char=>char'));
  types = struct('F64', 'double', 'F32', 'single');
  names = fieldnames(header);
  metadata = names{~cellfun(@isempty, strfind(names, '__metadata__'))}; % MATLAB puts an x before it
  described = jsondecode(header.(metadata).fastbp);
  tensors = struct();
  for k = 1:numel(names)
    entry = header.(names{k});
    if ~isfield(entry, 'data_offsets')
      continue
    end
    fseek(file, 8 + n_bytes + entry.data_offsets(1), 'bof');
    shape = reshape(entry.shape, 1, []);
    numbers = fread(file, prod(shape), [types.(entry.dtype) '=>' types.(entry.dtype)]);
    if numel(shape) == 2
      numbers = reshape(numbers, shape([2 1]))'; % rows lie one after the other
    end
    tensors.(names{k}) = numbers;
  end
end

function z = activate(name, a)
% The functions of hidden layers and outputs.
  switch name
    case 'identity', z = a;
    case 'logistic', z = 1 ./ (1 + exp(-a));
    case 'tanh', z = tanh(a);
    case 'relu', z = max(a, 0);
    case 'leaky_relu', z = max(a, 0.01 * a);
    case 'elu', z = max(a, 0) + expm1(min(a, 0));
    case 'softplus', z = max(a, 0) + log1p(exp(-abs(a)));
    case 'softsign', z = a ./ (1 + abs(a));
    case 'gelu', z = 0.5 * a .* erfc(-a / sqrt(2));
    case 'silu', z = a ./ (1 + exp(-a));
    case 'selu', z = 1.0507009873554805 * max(a, 0) + 1.7580993408473766 * expm1(min(a, 0));
    case 'mish', z = a .* tanh(max(a, 0) + log1p(exp(-abs(a))));
    case 'sin', z = sin(a);
    case 'gaussian', z = exp(-a.^2);
    case 'exp', z = exp(a);
    case 'threshold', z = double(a > 0);
    case 'softmax'
      z = exp(bsxfun(@minus, a, max(a, [], 2)));
      z = bsxfun(@rdivide, z, sum(z, 2));
    otherwise, error('no form of activation %s', name);
  end
end
